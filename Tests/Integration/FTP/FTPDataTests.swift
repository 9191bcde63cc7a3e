import TestSupport
import Testing

/// Data connections of the running daemon: ports, addresses, balancers, the order of replies, rates (Clients/ftp_data.py).
@Suite(.serialized) struct FTPDataTests {
    private static let settings: [String: [String: String]] = [
        "small_port_range": ["ftp.passive-ports": "40000-40003"],
        "announced_address": [
            "ftp.address": "0.0.0.0", "ftp.passive-address": "localhost, 127.0.0.2/32=0.0.0.0",
        ],
        "proxied_kinds": ["ftp.proxies": "127.0.0.0/8"], "proxied_others": ["ftp.proxies": "192.0.2.0/24"],
        "one_rate_for_all": ["ftp.rate": "8192"],
    ]

    @Test(arguments: [
        "small_port_range", "announced_address", "unknown_name", "own_privileged_port", "proxied_kinds",
        "proxied_others", "success_is_never_early", "broken_is_never_success", "aborts_in_every_phase",
        "answers_wait_their_turn", "one_rate_for_all",
    ])
    func row(name: String) async throws {
        try await FTPServer.play("ftp_data", name, settings: Self.settings[name] ?? [:])
    }
}
