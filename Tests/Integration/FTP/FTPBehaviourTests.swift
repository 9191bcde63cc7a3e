import TestSupport
import Testing

/// What clients rely on and what operators do, against the running daemon (Clients/ftp_behaviour.py).
@Suite(.serialized) struct FTPBehaviourTests {
    private static let settings: [String: [String: String]] = [
        "tls_required": ["ftp.tls-control": "require", "ftp.tls-data": "require"],
        "session_limit": ["ftp.sessions-per-account": "3", "ftp.sessions-per-address": "6"],
        "rates": ["ftp.rate-per-session": "4096", "ftp.rate-per-account": "6144"],
        "rolling_restart": ["ftp.rate-per-session": "32768"], "graceful_stop": ["ftp.rate-per-session": "32768"],
        "supervisor_killed": ["ftp.rate-per-session": "32768"], "who_and_kick": ["ftp.rate-per-session": "4096"],
        "during_a_transfer": ["ftp.rate-per-session": "8192"], "tls_abort": ["ftp.rate-per-session": "4096"],
        "both_families": ["ftp.address": "::"], "active_mode_switched_off": ["ftp.active": "false"],
        "any_data_peer": ["ftp.data-peer": "any"],
        "proxied": ["ftp.proxies": "127.0.0.0/8"],
        "passive_addresses": ["ftp.passive-address": "198.51.100.7, 127.0.0.2/32=203.0.113.9"],
        "memory_of_idle_sessions": ["ftp.sessions-per-account": "1000", "log.level": "notice"],
    ]

    @Test(arguments: [
        "passive_replies_are_one_segment", "one_final_reply", "listing_options", "times_agree", "restart",
        "representations", "mode_z", "during_a_transfer", "half_closed", "digests", "digest_verbs",
        "known_digests_are_not_computed", "facts", "information", "refusals_are_sentences", "tls_versions",
        "tls_close_notify",
        "tls_implicit", "tls_alpn", "tls_required", "tls_abort", "certificate_swap", "session_limit", "rates",
        "rolling_restart", "graceful_stop", "worker_killed", "supervisor_killed", "who_and_kick", "drain_and_admit",
        "proxied", "passive_addresses", "both_families", "active_mode_switched_off", "any_data_peer",
        "unreadable_record", "logs_agree", "memory_of_idle_sessions",
    ])
    func row(name: String) async throws {
        try await FTPServer.play("ftp_behaviour", name, settings: Self.settings[name] ?? [:])
    }
}
