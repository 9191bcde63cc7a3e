import TestSupport
import Testing

/// What clients rely on and what operators do, against the running daemon (Clients/ftp_behaviour.py).
@Suite(.serialized) struct FTPBehaviourTests {
    static let rows: [Row] = [
        Row("passive_replies_are_one_segment"),
        Row("one_final_reply"),
        Row("listing_options"),
        Row("names_can_be_fetched"),
        Row("sizes_are_announced"),
        Row("wrong_kinds_of_names"),
        Row("names_with_a_single_ff"),
        Row("times_agree"),
        Row("restart"),
        Row("restart_of_translated_bytes"),
        Row("representations"),
        Row("mode_z"),
        Row("during_a_transfer", ["ftp.rate-per-session": "8192"]),
        Row("half_closed"),
        Row("digests"),
        Row("digest_verbs"),
        Row("known_digests_are_not_computed"),
        Row("facts"),
        Row("information"),
        Row("refusals_are_sentences"),
        Row("tls_versions"),
        Row("tls_close_notify"),
        Row("tls_implicit"),
        Row("tls_control_is_closed_in_order"),
        Row("tls_host"),
        Row("tls_alpn"),
        Row("tls_required", ["ftp.tls-control": "require", "ftp.tls-data": "require"]),
        Row("tls_abort", ["ftp.rate-per-session": "4096"]),
        Row("certificate_swap"),
        Row("session_limit", ["ftp.sessions-per-account": "3", "ftp.sessions-per-address": "6"]),
        Row("rates", ["ftp.rate-per-session": "4096", "ftp.rate-per-account": "6144"]),
        Row("rolling_restart", ["ftp.rate-per-session": "32768"]),
        Row("graceful_stop", ["ftp.rate-per-session": "32768"]),
        Row("worker_killed"),
        Row("supervisor_killed", ["ftp.rate-per-session": "32768"]),
        Row("who_and_kick", ["ftp.rate-per-session": "4096"]),
        Row("drain_and_admit"),
        Row("proxied", ["ftp.proxies": "127.0.0.0/8"]),
        Row("passive_addresses", ["ftp.passive-address": "198.51.100.7, 127.0.0.2/32=203.0.113.9"]),
        Row("both_families", ["ftp.address": "::"]),
        Row("active_mode_switched_off", ["ftp.active": "false"]),
        Row("any_data_peer", ["ftp.data-peer": "any"]),
        Row("unreadable_record"),
        Row("logs_agree"),
        Row("memory_of_idle_sessions", ["ftp.sessions-per-account": "1000", "log.level": "notice"]),
    ]

    @Test(arguments: Row.chosen(of: rows))
    func row(row: Row) async {
        await row.play { try await FTPServer.play("ftp_behaviour", $0.name, settings: $0.settings) }
    }
}
