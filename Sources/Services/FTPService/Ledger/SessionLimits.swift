package import ConfigurationSchema

/// What bounds sessions, FTP and HTTPS alike (ffs.yaml(5), group `ftp`).
package struct SessionLimits: Sendable {
    package var server: Int
    package var perAddress: Int
    package var perAccount: Int
    /// Bytes a second; 0: no limit.
    package var sessionRate: Int
    package var accountRate: Int
    package var serverRate: Int
    /// Wrong passwords for one account from one address before it waits, and seconds until one more is looked at.
    package var lockOutAttempts: Int
    package var lockOutSeconds: Int

    package var limitsRates: Bool { sessionRate > 0 || accountRate > 0 || serverRate > 0 }

    package init(_ configuration: Configuration = Configuration()) {
        server = configuration[Options.FTP.sessions]
        perAddress = configuration[Options.FTP.sessionsPerAddress]
        perAccount = configuration[Options.FTP.sessionsPerAccount]
        sessionRate = configuration[Options.FTP.sessionRate] * 1_024
        accountRate = configuration[Options.FTP.accountRate] * 1_024
        serverRate = configuration[Options.FTP.serverRate] * 1_024
        lockOutAttempts = configuration[Options.FTP.lockOutAttempts]
        lockOutSeconds = configuration[Options.FTP.lockOutTime]
    }

    /// Why somebody is turned away.
    package enum Refusal: Sendable, Hashable, CustomStringConvertible {
        case server, address, account, draining

        /// For the log: the option to look at.
        package var description: String {
            switch self {
            case .server: "ftp.sessions"
            case .address: "ftp.sessions-per-address"
            case .account: "ftp.sessions-per-account"
            case .draining: "draining"
            }
        }

        fileprivate var statistic: Statistic {
            switch self {
            case .server: .refusedByServerLimit
            case .address: .refusedByAddressLimit
            case .account: .refusedByAccountLimit
            case .draining: .refusedByDraining
            }
        }
    }
}

extension Ledger {
    /// One more that was turned away, for `/metrics`.
    package func count(_ refusal: SessionLimits.Refusal) { count(refusal.statistic) }
}
