import TestSupport
import Testing

/// What real clients need, with the real clients (Clients/ftp_clients.py); one daemon serves all rows.
@Suite(.serialized, .ftpServer)
struct FTPClientTests {
    @Test(arguments: [
        "curl_asks_for_epsv_first", "curl_falls_back_to_pasv", "curl_sends_auth_ssl_first", "curl_head_sends_rest_0",
        "curl_aborts_after_ranges", "curl_in_active_mode", "curl_lists", "wget_sends_list_a",
        "wget_goes_on_where_it_was", "wget_over_tls", "lftp_asks_for_features_before_sign_in", "lftp_mirrors",
        "lftp_fetches_in_eight_parts", "lftp_aborts_in_band_over_tls", "lftp_sends_mdtm_with_two_arguments",
        "lftp_takes_symbols_in_names", "lftp_uses_mode_z", "tnftp_fetches", "tnftp_fetches_an_address",
        "ncftp_fetches_a_tree",
        "inetutils_fetches", "python_keeps_rest_over_passive", "python_waits_for_226_after_close_notify",
        "filezilla_compares_mdtm_with_list", "commons_net_reads_syst", "windows_sends_lower_case",
        "winscp_reads_two_thousand_characters", "inner_lines_look_like_no_reply", "pwd_doubles_quotes",
        "one_space_and_then_the_name", "options_are_never_paths", "mlsd_never_globs",
    ])
    func row(name: String) async throws { try await SharedFTPServer.play("ftp_clients", name) }
}

/// Rows of the same list that need settings of their own.
@Suite(.serialized) struct FTPClientLimitTests {
    private static let settings: [String: [String: String]] = [
        "lftp_reads_too_many_connections": ["ftp.sessions-per-account": "2"],
        "segments_are_one_customer": ["ftp.rate-per-account": "32768"],
        "clients_that_resume": ["ftp.tls-reuse": "require"],
    ]

    @Test(arguments: ["lftp_reads_too_many_connections", "segments_are_one_customer", "clients_that_resume"])
    func row(name: String) async throws {
        try await FTPServer.play("ftp_clients", name, settings: Self.settings[name] ?? [:])
    }
}
