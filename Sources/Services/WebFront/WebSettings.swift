package import ConfigurationSchema
import FFSModel

/// What ffswebd's pages depend on, taken from the configuration once.
package struct WebSettings: Sendable {
    package var siteName: String
    /// Whom customers may ask; empty: nobody is named.
    package var contact: String
    /// Seconds without a request after which a session ends.
    package var sessionIdle: Int64
    /// Seconds after sign-in at which it ends in any case.
    package var sessionLifetime: Int64
    /// Sessions kept at once.
    package var sessions: Int
    /// Sign-in attempts of one source in a minute.
    package var signInRate: Int
    /// Seconds that an account lives unless its customer chooses, and what they may choose.
    package var lifetime: Int
    package var lifetimes: ClosedRange<Int>
    /// Characters of the shortest new password that ffsauthd takes.
    package var passwordMinimum: Int
    package var places: DownloadPlaces

    package init(_ configuration: Configuration) {
        let minimum = configuration[Options.Web.accountLifetimeMin]
        // Nothing is offered that ffsstaged would refuse.
        let longest = min(configuration[Options.Web.accountLifetimeMax], configuration[Options.Staging.maxLifetime])
        let maximum = max(minimum, longest)
        siteName = configuration[Options.Web.siteName]
        contact = configuration[Options.Web.contact]
        sessionIdle = Int64(configuration[Options.Web.sessionIdle])
        sessionLifetime = Int64(configuration[Options.Web.sessionLifetime])
        sessions = configuration[Options.Web.sessions]
        signInRate = configuration[Options.Web.signInRate]
        lifetimes = minimum...maximum
        lifetime = min(max(configuration[Options.Web.accountLifetime], minimum), maximum)
        passwordMinimum = configuration[Options.Auth.passwordMinimum]
        places = DownloadPlaces(configuration)
    }

    /// What the lifetime menu offers: the usual ones within bounds, the bounds' default always among them.
    var lifetimeChoices: [Int] {
        let usual = [3_600, 4 * 3_600, 12 * 3_600, 86_400, 3 * 86_400, 7 * 86_400, 14 * 86_400, 30 * 86_400]
        return Set(usual.filter(lifetimes.contains) + [lifetime]).sorted()
    }
}

/// Where an account can be fetched from.
package struct DownloadPlaces: Sendable {
    package var host: String
    /// 0 where a listener is closed.
    package var ftpPort: Int
    package var httpsPort: Int
    /// FTP with TLS from the first byte.
    package var ftpsPort: Int
    /// Whether commands for the FTP port insist on AUTH TLS; not where the operator switched it off.
    package var requiresTLS: Bool

    package init(_ configuration: Configuration) {
        host = configuration[Options.FTP.publicHost]
        ftpPort = configuration[Options.FTP.port]
        httpsPort = configuration[Options.FTP.httpsPort]
        ftpsPort = configuration[Options.FTP.implicitPort]
        requiresTLS = configuration[Options.FTP.controlTLS] != .off && configuration[Options.FTP.dataTLS] != .off
    }
}
