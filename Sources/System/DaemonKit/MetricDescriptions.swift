/// What `/metrics` says of each name (`# HELP`); swift-metrics has no place for it at the call.
/// `Tests/Project` compares it with the names in the sources.
enum MetricDescriptions {
    static let all: [String: String] = [
        "ffs_accounts_staged_total": "Accounts that were built.",
        "ffs_auth_logins_total": "Sign-ins that ffsauthd decided, by result.",
        "ffs_auth_orders_total": "Orders that were recorded.",
        "ffs_commlink_connections": "Open connections of a link's server.",
        "ffs_commlink_handshakes_total": "Handshakes that succeeded at a link's server.",
        "ffs_commlink_refused_total": "Connections that a link's server refused, by reason.",
        "ffs_commlink_request_seconds": "Time from a request to its reply, by link, type and result.",
        "ffs_ftp_customer_sign_ins_total": "Sign-ins with customers' own names, by outcome.",
        "ffs_ftp_data_refused_total": "FTP data connections that were refused, by reason.",
        "ffs_ftp_logins_total": "Sign-ins to accounts, by service and result.",
        "ffs_ftp_refused_total": "Sessions that were refused, by the limit that was reached.",
        "ffs_ftp_relay_up": "1 while the relay answers, else 0.",
        "ffs_ftp_sent_bytes_total": "Bytes of files and listings that were sent.",
        "ffs_ftp_sessions": "Sessions that are open, by service.",
        "ffs_ftp_tls_handshakes_total": "TLS handshakes, by kind of connection and result.",
        "ffs_ftp_transfers_running": "Transfers that run now, by service.",
        "ffs_ftp_transfers_total": "Transfers that ended, by protocol and result.",
        "ffs_ftp_worker_restarts_total": "Workers that died and were replaced.",
        "ffs_ftp_workers": "Workers that serve.",
        "ffs_pipeline_received_total": "Events that were taken over into the log.",
        "ffs_pipeline_sent_total": "Events of this host's journals whose arrival in the log was acknowledged.",
        "ffs_relay_requests_total": "Requests that the relay passed on, by type.",
        "ffs_staging_seconds": "Time to build an account.",
        "ffs_web_request_seconds": "Time from a web request to its answer, by route.",
        "ffs_web_requests_total": "Web requests, by route and status.",
    ]
}
