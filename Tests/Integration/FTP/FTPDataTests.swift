import TestSupport
import Testing

/// Data connections of the running daemon: ports, addresses, balancers, the order of replies, rates (Clients/ftp_data.py).
@Suite(.serialized) struct FTPDataTests {
    static let rows: [Row] = [
        Row("small_port_range", ["ftp.passive-ports": "40000-40003"]),
        Row(
            "announced_address",
            ["ftp.address": "0.0.0.0", "ftp.passive-address": "localhost, 127.0.0.2/32=0.0.0.0"]),
        Row("unknown_name"),
        Row("own_privileged_port"),
        Row("proxied_kinds", ["ftp.proxies": "127.0.0.0/8"]),
        Row("proxied_others", ["ftp.proxies": "192.0.2.0/24"]),
        Row("success_is_never_early"),
        Row("broken_is_never_success"),
        Row("aborts_in_every_phase"),
        Row("answers_wait_their_turn"),
        Row("one_rate_for_all", ["ftp.rate": "8192"]),
    ]

    @Test(arguments: Row.chosen(of: rows))
    func row(row: Row) async {
        await row.play { try await FTPServer.play("ftp_data", $0.name, settings: $0.settings) }
    }
}
