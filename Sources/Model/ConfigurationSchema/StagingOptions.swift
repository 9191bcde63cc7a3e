extension Options {
    /// ffsstaged(8), the repository and the accounts.
    package enum Staging {
        package static let user = Option(
            "staging.user", "ffsrepo", "User that owns repository and accounts and that ffsstaged runs as.")
        package static let address = Option(
            "staging.address", "127.0.0.1", "Address ffsstaged listens on and its clients connect to.")
        package static let basePort = Option(
            "staging.base-port", 7650, unit: "port", bounds: 1...65_000, "First port of ffsstaged's commlink range.")
        package static let portCount = Option(
            "staging.port-count", 8, unit: "ports", bounds: 1...64, "Ports in the range.")
        package static let repository = Option(
            "staging.repository", "/srv/ffs/repository",
            "The repository. Must be on one file system and mount with staging.accounts.")
        package static let accounts = Option(
            "staging.accounts", "/srv/ffs/accounts", "The account area, which is also the account database.")

        package static let all: [any AnyOption] = [user, address, basePort, portCount, repository, accounts]
    }
}
