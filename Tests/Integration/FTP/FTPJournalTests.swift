import TestSupport
import Testing

/// What ffsftpd records of sign-ins and downloads, read from its journal's segments by another program
/// (Clients/ftp_journal.py).
@Suite(.serialized) struct FTPJournalTests {
    static let rows: [Row] = [
        Row("each_download_has_one_record"),
        Row("broken_downloads_are_aborted"),
        Row("long_downloads_have_a_start", ["ftp.rate-per-session": "8192"]),
        Row("sign_ins_are_recorded"),
        Row("a_dead_workers_downloads_are_aborted", ["ftp.rate-per-session": "8192"]),
        Row("segments_roll_under_load", ["pipeline.segment-size": "64", "pipeline.reserve": "1024"]),
    ]

    @Test(arguments: Row.chosen(of: rows))
    func row(row: Row) async {
        await row.play { try await FTPServer.play("ftp_journal", $0.name, settings: $0.settings) }
    }

    static let smallDisks: [Row] = [
        Row("a_full_disk_refuses", ["pipeline.on-full": "refuse", "ftp.rate-per-session": "2048"]),
        Row("a_full_disk_serves", ["pipeline.on-full": "serve"]),
    ]

    /// The journal on a file system of one megabyte.
    @Test(.enabled(if: System.isRoot), arguments: Row.chosen(of: smallDisks))
    func onASmallDisk(row: Row) async {
        await row.play { row in
            let settings = [
                "pipeline.segment-size": "64", "pipeline.reserve": "64", "ftp.workers": "1",
            ].merging(row.settings) { $1 }
            let server = try FTPServer(settings)
            let place = server.directory("journal")
            try await command(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place]).succeeded()
            do {
                try await server.run { try await server.play("ftp_journal", [row.name], against: $0) }
            } catch {
                try await command(["umount", "-l", place]).succeeded()
                throw error
            }
            try await command(["umount", "-l", place]).succeeded()
        }
    }
}
