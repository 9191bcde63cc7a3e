import TestSupport
import Testing

/// Supervisor and workers of the running daemon: confinement, costs, restarts, operators, logs (Clients/ftp_engine.py).
@Suite(.serialized) struct FTPEngineTests {
    static let rows: [Row] = [
        Row("workers_hold_nothing"),
        Row("plain_bytes_by_sendfile", ["ftp.workers": "1"]),
        Row("slow_readers_cost_a_buffer"),
        Row("writing_verbs_reach_no_file"),
        Row("restart_fails_nobody", ["ftp.rate-per-session": "16384"]),
        Row("grace_time_ends", ["drain.timeout": "5"]),
        Row("kicked_within_a_second"),
        Row(
            "limits_are_shown",
            ["ftp.sessions": "500", "ftp.sessions-per-account": "7", "ftp.rate-per-session": "4096"]),
        Row("logs_agree_to_the_byte"),
        Row("transfer_log_is_rotated"),
    ]

    @Test(arguments: Row.chosen(of: rows))
    func row(row: Row) async {
        await row.play { try await FTPServer.play("ftp_engine", $0.name, settings: $0.settings) }
    }
}
