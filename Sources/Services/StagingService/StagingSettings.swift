package import ConfigurationSchema
package import FFSModel

/// The options of ffsstaged(8) that the engine needs.
package struct StagingSettings: Sendable {
    package var repository: String
    package var accounts: String
    package var stateDirectory: String
    package var owner: String
    package var threads = Options.Staging.threads.defaultValue
    package var queue = Options.Staging.queue.defaultValue
    package var linkCeiling = Options.Staging.linkCeiling.defaultValue
    package var maxLifetime = Options.Staging.maxLifetime.defaultValue
    package var linkLifetime = Options.Staging.linkLifetime.defaultValue
    package var reapRate = Options.Staging.reapRate.defaultValue
    package var accountsPerCustomer = Options.Staging.accountsPerCustomer.defaultValue
    package var accountsPerHour = Options.Staging.accountsPerHour.defaultValue
    package var remember = Options.Staging.remember.defaultValue
    /// The download server's, for the web front.
    package var certificate = ""

    package init(repository: String, accounts: String, stateDirectory: String, owner: String) {
        self.repository = repository
        self.accounts = accounts
        self.stateDirectory = stateDirectory
        self.owner = owner
    }

    package init(_ configuration: Configuration) {
        self.init(
            repository: configuration[Options.Staging.repository],
            accounts: configuration[Options.Staging.accounts],
            stateDirectory: configuration[Options.Common.stateDirectory], owner: configuration[Options.Staging.user])
        threads = configuration[Options.Staging.threads]
        queue = configuration[Options.Staging.queue]
        linkCeiling = configuration[Options.Staging.linkCeiling]
        maxLifetime = configuration[Options.Staging.maxLifetime]
        linkLifetime = configuration[Options.Staging.linkLifetime]
        reapRate = configuration[Options.Staging.reapRate]
        accountsPerCustomer = configuration[Options.Staging.accountsPerCustomer]
        accountsPerHour = configuration[Options.Staging.accountsPerHour]
        remember = configuration[Options.Staging.remember]
        certificate = configuration[Options.FTP.certificate]
    }
}

/// Where the engine gets the time from; tests step it.
package struct StagingClock: Sendable {
    /// Wall time.
    package let now: @Sendable () -> Timestamp
    /// Seconds on a clock that does not step, sleep included.
    package let steady: @Sendable () -> Int64

    package init(now: @escaping @Sendable () -> Timestamp, steady: @escaping @Sendable () -> Int64) {
        self.now = now
        self.steady = steady
    }
}
