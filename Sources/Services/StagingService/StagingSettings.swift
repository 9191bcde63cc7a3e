package import ConfigurationSchema
package import FFSModel

/// The options of ffsstaged(8) that the engine needs.
package struct StagingSettings: Sendable {
    /// Paths of directories; repository and accounts are on one file system.
    package var repository: String
    package var accounts: String
    package var stateDirectory: String
    /// The user whose the repository is.
    package var owner: String
    /// Threads that build account trees.
    package var threads = Options.Staging.threads.defaultValue
    /// Builds that may wait for a thread; more are refused with `busy`.
    package var queue = Options.Staging.queue.defaultValue
    /// Links to one inode after which a replica takes over.
    package var linkCeiling = Options.Staging.linkCeiling.defaultValue
    /// Seconds: the longest life an account may be given, at once.
    package var maxLifetime = Options.Staging.maxLifetime.defaultValue
    /// Seconds for which a page's link opens an account without the password.
    package var linkLifetime = Options.Staging.linkLifetime.defaultValue
    /// Files of withdrawn accounts unlinked in a second.
    package var reapRate = Options.Staging.reapRate.defaultValue
    /// Accounts that one customer may have at once, and be given in an hour.
    package var accountsPerCustomer = Options.Staging.accountsPerCustomer.defaultValue
    package var accountsPerHour = Options.Staging.accountsPerHour.defaultValue
    /// Seconds for which a withdrawn account's record is kept.
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
