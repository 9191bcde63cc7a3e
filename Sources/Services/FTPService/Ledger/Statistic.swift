/// What workers count for `/metrics` and `ffsctl status` (ffsftpd(8)); each has its place in the memory they share.
package enum Statistic: Int, CaseIterable, Sendable {
    // Now.
    case ftpSessions, httpsSessions
    case ftpTransfers, httpsTransfers
    // Since the start.
    case ftpSignIns, httpsSignIns, ftpSignInsRefused, httpsSignInsRefused
    case ftpComplete, ftpsComplete, httpsComplete
    case ftpBroken, ftpsBroken, httpsBroken
    case ftpBytes, ftpsBytes, httpsBytes
    case controlFull, controlResumed, controlFailed
    case dataFull, dataResumed, dataFailed
    case httpsFull, httpsResumed, httpsFailed
    case refusedByServerLimit, refusedByAddressLimit, refusedByAccountLimit, refusedByDraining
    case dataFromOtherAddress, dataNotResumed

    /// Goes down again, and ends with the worker that counted it.
    package var isGauge: Bool {
        switch self {
        case .ftpSessions, .httpsSessions, .ftpTransfers, .httpsTransfers: true
        default: false
        }
    }

    /// Its name in the text that Prometheus reads.
    package var name: String {
        switch self {
        case .ftpSessions, .httpsSessions: "ffs_ftp_sessions"
        case .ftpTransfers, .httpsTransfers: "ffs_ftp_transfers_running"
        case .ftpSignIns, .httpsSignIns, .ftpSignInsRefused, .httpsSignInsRefused: "ffs_ftp_logins_total"
        case .ftpComplete, .ftpsComplete, .httpsComplete, .ftpBroken, .ftpsBroken, .httpsBroken:
            "ffs_ftp_transfers_total"
        case .ftpBytes, .ftpsBytes, .httpsBytes: "ffs_ftp_sent_bytes_total"
        case .controlFull, .controlResumed, .controlFailed, .dataFull, .dataResumed, .dataFailed, .httpsFull,
            .httpsResumed, .httpsFailed:
            "ffs_ftp_tls_handshakes_total"
        case .refusedByServerLimit, .refusedByAddressLimit, .refusedByAccountLimit, .refusedByDraining:
            "ffs_ftp_refused_total"
        case .dataFromOtherAddress, .dataNotResumed: "ffs_ftp_data_refused_total"
        }
    }

    package var labels: [(String, String)] {
        switch self {
        case .ftpSessions, .ftpTransfers: [("service", "ftp")]
        case .httpsSessions, .httpsTransfers: [("service", "https")]
        case .ftpSignIns: [("result", "ok"), ("service", "ftp")]
        case .httpsSignIns: [("result", "ok"), ("service", "https")]
        case .ftpSignInsRefused: [("result", "refused"), ("service", "ftp")]
        case .httpsSignInsRefused: [("result", "refused"), ("service", "https")]
        case .ftpComplete: [("protocol", "ftp"), ("result", "complete")]
        case .ftpsComplete: [("protocol", "ftps"), ("result", "complete")]
        case .httpsComplete: [("protocol", "https"), ("result", "complete")]
        case .ftpBroken: [("protocol", "ftp"), ("result", "broken")]
        case .ftpsBroken: [("protocol", "ftps"), ("result", "broken")]
        case .httpsBroken: [("protocol", "https"), ("result", "broken")]
        case .ftpBytes: [("protocol", "ftp")]
        case .ftpsBytes: [("protocol", "ftps")]
        case .httpsBytes: [("protocol", "https")]
        case .controlFull: [("connection", "control"), ("result", "full")]
        case .controlResumed: [("connection", "control"), ("result", "resumed")]
        case .controlFailed: [("connection", "control"), ("result", "failed")]
        case .dataFull: [("connection", "data"), ("result", "full")]
        case .dataResumed: [("connection", "data"), ("result", "resumed")]
        case .dataFailed: [("connection", "data"), ("result", "failed")]
        case .httpsFull: [("connection", "https"), ("result", "full")]
        case .httpsResumed: [("connection", "https"), ("result", "resumed")]
        case .httpsFailed: [("connection", "https"), ("result", "failed")]
        case .refusedByServerLimit: [("limit", "ftp.sessions")]
        case .refusedByAddressLimit: [("limit", "ftp.sessions-per-address")]
        case .refusedByAccountLimit: [("limit", "ftp.sessions-per-account")]
        case .refusedByDraining: [("limit", "draining")]
        case .dataFromOtherAddress: [("reason", "address")]
        case .dataNotResumed: [("reason", "tls-session")]
        }
    }

    /// Places that keep their sums when a worker ends.
    package static let lasting = allCases.filter { !$0.isGauge }.map(\.rawValue)
}
