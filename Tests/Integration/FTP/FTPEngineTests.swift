import TestSupport
import Testing

/// Supervisor and workers of the running daemon: confinement, costs, restarts, operators, logs (Clients/ftp_engine.py).
@Suite(.serialized) struct FTPEngineTests {
    private static let settings: [String: [String: String]] = [
        "plain_bytes_by_sendfile": ["ftp.workers": "1"],
        "restart_fails_nobody": ["ftp.rate-per-session": "16384"], "grace_time_ends": ["drain.timeout": "5"],
        "limits_are_shown": [
            "ftp.sessions": "500", "ftp.sessions-per-account": "7", "ftp.rate-per-session": "4096",
        ],
    ]

    @Test(arguments: [
        "workers_hold_nothing", "plain_bytes_by_sendfile", "slow_readers_cost_a_buffer",
        "writing_verbs_reach_no_file", "restart_fails_nobody", "grace_time_ends", "kicked_within_a_second",
        "limits_are_shown",
        "logs_agree_to_the_byte",
    ])
    func row(name: String) async throws {
        try await FTPServer.play("ftp_engine", name, settings: Self.settings[name] ?? [:])
    }
}
