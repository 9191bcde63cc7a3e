extension Options {
    /// ffsstaged(8), the repository and the accounts.
    package enum Staging {
        package static let user = Option(
            "staging.user", "ffsrepo", "User that owns repository and accounts and that ffsstaged runs as.")
        package static let address = Option(
            "staging.address", "127.0.0.1", "Address ffsstaged listens on and its clients connect to.")
        package static let node = Option(
            "staging.node", NodeOption(),
            "Name of the host at staging.address, where ffswebd has key bags of several storage hosts (<link>@<node>). Empty: the link's common bag, or the only one."
        )
        package static let basePort = Option(
            "staging.base-port", 7650, unit: "port", bounds: 1...65_000, "First port of ffsstaged's commlink range.")
        package static let portCount = Option(
            "staging.port-count", 8, unit: "ports", bounds: 1...64, "Ports in the range.")
        package static let repository = Option(
            "staging.repository", "/srv/ffs/repository",
            "The repository. Must be on one file system and mount with staging.accounts. After a move run install.sh start: systemd lets ffsstaged write nowhere else."
        )
        package static let accounts = Option(
            "staging.accounts", "/srv/ffs/accounts", "The account area, which is also the account database.")
        package static let threads = Option(
            "staging.threads", 2, unit: "threads", bounds: 1...64,
            "Threads that build account trees. More than the file system's journal can feed do not help.")
        package static let queue = Option(
            "staging.queue", 512, unit: "requests", bounds: 1...65_536,
            "Requests that may wait for a thread; further ones are told to come back (busy).")
        package static let linkCeiling = Option(
            "staging.link-ceiling", 64_000, unit: "links", bounds: 2...2_000_000_000,
            "Links to one inode after which a replica takes over. ext4 allows 65,000, btrfs 65,535; a lower limit of the file system is noticed by itself."
        )
        package static let maxLifetime = Option(
            "staging.max-lifetime", 31_536_000, unit: "s", bounds: 1...31_536_000,
            "Longest life an account may be given, at its creation and at each extension.")
        package static let linkLifetime = Option(
            "staging.link-lifetime", 86_400, unit: "s", bounds: 60...31_536_000,
            "How long a page's download links open an account without its password, and never longer than the account lives. Every look at the page gives fresh ones."
        )
        package static let reapRate = Option(
            "staging.reap-rate", 20_000, unit: "files/s", bounds: 1...10_000_000,
            "Files of withdrawn accounts that are unlinked in a second, so that a mass expiry slows nobody down.")
        package static let accountsPerCustomer = Option(
            "staging.accounts-per-customer", 500, unit: "accounts", bounds: 0...1_000_000,
            "Living accounts one customer may have on this host; further ones are refused (no-space). 0: no limit.")
        package static let accountsPerHour = Option(
            "staging.accounts-per-hour", 200, unit: "accounts", bounds: 0...1_000_000,
            "Accounts made for one customer within an hour; further ones are told to come back (busy). 0: no limit.")
        package static let remember = Option(
            "staging.remember", 172_800, unit: "s", bounds: 86_400...31_536_000,
            "How long a withdrawn account's record is kept: a repeated request is told that it is gone instead of getting a new account."
        )

        package static let lease = Option(
            "staging.lease", 30, unit: "s", bounds: 3...180,
            "How long after this host last heard that nothing has changed in the master database it may go on by what it knows. It bounds how late a revocation arrives. Used where ftp.relay-host is set."
        )
        package static let leases = Option(
            "staging.leases", Leases.strict,
            "What becomes of new accounts when the lease has lapsed because ffswebd or ffsauthd cannot be reached. strict: they are refused until it can be checked again what the customer may have. serve-stale: they are made all the same, and the log says so. Accounts that exist stay, but for those under the policy cut."
        )

        /// In run.directory: where ffsftpd's gate asks ffsstaged for customers' accounts.
        package static let signInSocket = "ffsstaged/sign-in.sock"

        package static let all: [any AnyOption] = [
            user, address, node, basePort, portCount, repository, accounts, threads, queue, linkCeiling, maxLifetime,
            linkLifetime, reapRate, accountsPerCustomer, accountsPerHour, remember, lease, leases,
        ]
    }

    package enum Leases: String, OptionChoice {
        case strict
        case serveStale = "serve-stale"
    }
}
