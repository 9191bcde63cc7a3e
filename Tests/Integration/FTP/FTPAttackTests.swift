import FFSModel
import TestSupport
import Testing

/// Each row of the attack table against the running daemon (Clients/ftp_attacks.py).
@Suite(.serialized) struct FTPAttackTests {
    /// Rows that need settings of their own; times are short so that tests are.
    private static let settings: [String: [String: String]] = [
        "passive_theft_same_address": ["ftp.tls-reuse": "require"], "ten_thousand_pasv": ["ftp.data-timeout": "3"],
        "zero_window": ["ftp.stall-timeout": "5"],
        "slowloris": ["ftp.login-timeout": "5", "ftp.data-timeout": "5", "ftp.stall-timeout": "5"],
        "descriptor_exhaustion": ["ftp.workers": "1"],
        "half_open_tls": ["ftp.sessions-per-address": "3000", "ftp.login-timeout": "10"],
        "same_refusal": ["ftp.workers": "1", "ftp.lockout-time": "7"],
        "guessable_ports": ["ftp.passive-ports": "32000-48000"],
        "huge_directory": ["ftp.workers": "1"],
    ]

    @Test(arguments: [
        "overlong_line", "forbidden_bytes", "before_sign_in", "auth_injection", "offsets", "third_parties",
        "passive_theft", "passive_theft_same_address", "ten_thousand_pasv", "aborts", "zero_window", "slowloris",
        "half_open_tls", "accept_flood", "descriptor_exhaustion", "outside", "renames_during_open", "patterns",
        "huge_directory",
        "forged_names", "writing_verbs", "same_refusal", "every_pair", "revoked_account", "guessable_ports",
    ])
    func row(name: String) async throws {
        try await FTPServer.play(
            "ftp_attacks", name, settings: Self.settings[name] ?? [:],
            files: name == "descriptor_exhaustion" ? 80 : nil)
    }

    @Test(arguments: [ExpiryPolicy.finish, .cut, .grace(seconds: 4)])
    func accountsEndByTheirPolicy(policy: ExpiryPolicy) async throws {
        try await FTPServer.play("ftp_attacks", "ended_account", endingPolicy: policy)
    }
}
