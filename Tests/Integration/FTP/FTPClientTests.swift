import TestSupport
import Testing

/// What real clients need, with the real clients (Clients/ftp_clients.py); one daemon serves all rows.
@Suite(.serialized, .ftpServer)
struct FTPClientTests {
    static let rows: [Row] = [
        Row("curl_asks_for_epsv_first"),
        Row("curl_falls_back_to_pasv"),
        Row("curl_sends_auth_ssl_first"),
        Row("curl_head_sends_rest_0"),
        Row("curl_aborts_after_ranges"),
        Row("curl_in_active_mode"),
        Row("curl_lists"),
        Row("wget_sends_list_a"),
        Row("wget_goes_on_where_it_was"),
        Row("wget_over_tls"),
        Row("lftp_asks_for_features_before_sign_in"),
        Row("lftp_mirrors"),
        Row("lftp_fetches_in_eight_parts"),
        Row("lftp_aborts_in_band_over_tls"),
        Row("lftp_sends_mdtm_with_two_arguments"),
        Row("lftp_takes_symbols_in_names"),
        Row("lftp_uses_mode_z"),
        Row("tnftp_fetches"),
        Row("tnftp_fetches_an_address"),
        Row("ncftp_fetches_a_tree"),
        Row("inetutils_fetches"),
        Row("mget_fetches_a_directory"),
        Row("perl_lists_what_it_fetches"),
        Row("what_is_missing_is_told_once"),
        Row("urllib_takes_the_size_from_150"),
        Row("benchmarks_name_who_cannot_serve"),
        Row("python_keeps_rest_over_passive"),
        Row("python_waits_for_226_after_close_notify"),
        Row("filezilla_compares_mdtm_with_list"),
        Row("commons_net_reads_syst"),
        Row("windows_sends_lower_case"),
        Row("winscp_reads_two_thousand_characters"),
        Row("inner_lines_look_like_no_reply"),
        Row("pwd_doubles_quotes"),
        Row("one_space_and_then_the_name"),
        Row("options_are_never_paths"),
        Row("mlsd_never_globs"),
    ]

    @Test(arguments: Row.chosen(of: rows))
    func row(row: Row) async {
        await row.play { try await SharedFTPServer.play("ftp_clients", $0.name) }
    }
}

/// Rows of the same list that need settings of their own.
@Suite(.serialized) struct FTPClientLimitTests {
    static let rows: [Row] = [
        Row("lftp_reads_too_many_connections", ["ftp.sessions-per-account": "2"]),
        Row("segments_are_one_customer", ["ftp.rate-per-account": "32768"]),
        Row("clients_that_resume", ["ftp.tls-reuse": "require"]),
    ]

    @Test(arguments: Row.chosen(of: rows))
    func row(row: Row) async {
        await row.play { try await FTPServer.play("ftp_clients", $0.name, settings: $0.settings) }
    }
}
