import FFSModel
import TestSupport
import Testing

/// Each row of the attack table against the running daemon (Clients/ftp_attacks.py).
@Suite(.serialized) struct FTPAttackTests {
    static let rows: [Row] = [
        Row("overlong_line"),
        Row("forbidden_bytes"),
        Row("before_sign_in"),
        Row("auth_injection"),
        Row("offsets"),
        Row("third_parties"),
        Row("passive_theft"),
        Row("passive_theft_same_address", ["ftp.tls-reuse": "require"]),
        Row("ten_thousand_pasv", ["ftp.data-timeout": "3"]),
        Row("aborts"),
        Row("zero_window", ["ftp.stall-timeout": "5"]),
        Row("slowloris", ["ftp.login-timeout": "5", "ftp.data-timeout": "5", "ftp.stall-timeout": "5"]),
        Row("half_open_tls", ["ftp.sessions-per-address": "3000", "ftp.login-timeout": "10"]),
        Row("log_flood", ["ftp.workers": "1", "ftp.sessions-per-address": "2"]),
        Row("accept_flood"),
        Row("descriptor_exhaustion", ["ftp.workers": "1"]),
        Row("outside"),
        Row("renames_during_open"),
        Row("patterns"),
        Row("huge_directory", ["ftp.workers": "1"]),
        Row("forged_names"),
        Row("writing_verbs"),
        Row("same_refusal", ["ftp.workers": "1", "ftp.lockout-time": "7"]),
        Row("every_pair"),
        Row("revoked_account"),
        Row("guessable_ports", ["ftp.passive-ports": "32000-48000"]),
    ]

    @Test(arguments: Row.chosen(of: rows))
    func row(row: Row) async {
        await row.play {
            try await FTPServer.play(
                "ftp_attacks", $0.name, settings: $0.settings, files: $0.name == "descriptor_exhaustion" ? 80 : nil)
        }
    }

    @Test(arguments: [ExpiryPolicy.finish, .cut, .grace(seconds: 4)])
    func accountsEndByTheirPolicy(policy: ExpiryPolicy) async throws {
        try await FTPServer.play("ftp_attacks", "ended_account", endingPolicy: policy)
    }
}
