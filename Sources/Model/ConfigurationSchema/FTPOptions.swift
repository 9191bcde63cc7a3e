extension Options {
    /// ffsftpd(8).
    package enum FTP {
        package static let user = Option(
            "ftp.user", "ffsftp", "User that ffsftpd's workers run as; it can read accounts and nothing else.")
        package static let address = Option(
            "ftp.address", "::", "Address the FTP and HTTPS listeners bind; :: takes IPv4 as well.")
        package static let port = Option(
            "ftp.port", 21, unit: "port", bounds: 0...65_535, "FTP port. 0 closes it.")
        package static let implicitPort = Option(
            "ftp.implicit-port", 0, unit: "port", bounds: 0...65_535,
            "Port of implicit FTPS, where TLS starts at once; 990 by custom. 0 closes it.")
        package static let httpsPort = Option(
            "ftp.https-port", 8443, unit: "port", bounds: 0...65_535, "HTTPS download port. 0 closes it.")
        package static let publicHost = Option(
            "ftp.public-host", "localhost", "Host name in the links that customers get.")
        package static let greeting = Option(
            "ftp.greeting", "FFS ready.", "Text of the reply that greets a client.")

        package static let all: [any AnyOption] =
            [user, address, port, implicitPort, httpsPort, publicHost, greeting] + engine + tls + signIn + data + limits

        // MARK: Processes and threads

        /// The upper bound of ``workers``.
        package static let mostWorkers = 64
        package static let workers = Option(
            "ftp.workers", 0, unit: "processes", bounds: 0...mostWorkers, "Worker processes. 0: one for each processor."
        )
        package static let dataThreads = Option(
            "ftp.data-threads", 2, unit: "threads", bounds: 1...32,
            "Threads of a worker that send files. More help where content comes from slow disks.")
        package static let transferLog = Option(
            "ftp.transfer-log", true, "Whether each transfer is written to xferlog in log.directory.")

        private static let engine: [any AnyOption] = [workers, dataThreads, transferLog]

        // MARK: TLS

        package static let certificate = Option(
            "ftp.certificate", "/etc/ffs/tls/cert.pem",
            "PEM certificate chain of FTPS and HTTPS. Needed unless both are closed.")
        package static let privateKey = Option(
            "ftp.private-key", "/etc/ffs/tls/key.pem", "PEM private key for ftp.certificate.")
        package static let moreCertificates = Option(
            "ftp.more-certificates", [String](),
            "Further certificates, for clients that ask for another server name (SNI) of FTPS or HTTPS: certificate:key, or one file that holds both. The first that is valid for the name is used, else ftp.certificate."
        )
        package static let controlTLS = Option(
            "ftp.tls-control", Requirement.allow, "Whether sign-in may (allow), must (require) or cannot (off) use TLS."
        )
        package static let dataTLS = Option(
            "ftp.tls-data", Requirement.allow, "The same for data connections, PROT P.")
        package static let sessionReuse = Option(
            "ftp.tls-reuse", Reuse.prefer,
            "Whether a data connection's TLS must resume its control connection's session (require), must resume one once its client has shown that it can (prefer), or is not asked (off). Require keeps others from taking a passive port over; some clients cannot do it."
        )

        private static let tls: [any AnyOption] = [
            certificate, privateKey, moreCertificates, controlTLS, dataTLS, sessionReuse,
        ]

        // MARK: Customers' own names

        package static let relayHost = Option(
            "ftp.relay-host", "",
            "Host of the ffswebd that relays sign-ins (web.relay-address, web.relay-base-port): customers may then sign in to FTP with their own name and password, and all that they are entitled to is staged. Empty: accounts alone may sign in."
        )
        package static let customerSignIn = Option(
            "ftp.customer-sign-in", CustomerSignIn.tls,
            "Where ftp.relay-host is set: whether customers may sign in with their own password under TLS alone (tls), also in clear (any), or not at all (off)."
        )
        package static let customerLifetime = Option(
            "ftp.customer-lifetime", 86_400, unit: "s", bounds: 600...31_536_000,
            "How long an account lives that such a sign-in stages; sign-ins in its first half come to the same account, unless what the customer may have has changed. An entitlement that ends earlier ends the account with it."
        )

        private static let signIn: [any AnyOption] = [relayHost, customerSignIn, customerLifetime]

        // MARK: Data connections

        package static let passivePorts = Option(
            "ftp.passive-ports", PortRange(first: 49_152, last: 65_535),
            "Ports of passive data connections, first-last; a firewall must let them in. Each worker has its part of them; when all are in use, clients with different addresses share one."
        )
        package static let passiveAddress = Option(
            "ftp.passive-address", [String](),
            "IPv4 address that PASV announces, where it is not the one that clients connect to: an address for all, or network=address for each network that clients come from. The name of a host stands for the address it has at the start and at each reload. 0.0.0.0 makes clients use the control connection's."
        )
        package static let dataPeer = Option(
            "ftp.data-peer", DataPeer.same,
            "same: only the control connection's address may open a data connection. any: for clients with several addresses; use it with ftp.tls-reuse require."
        )
        package static let active = Option(
            "ftp.active", true, "Whether PORT and EPRT are served, to the client's own address only.")
        package static let proxies = Option(
            "ftp.proxies", [String](),
            "Addresses or networks whose connections begin with a PROXY protocol header (version 1 or 2) that names the client."
        )

        private static let data: [any AnyOption] = [passivePorts, passiveAddress, dataPeer, active, proxies]

        // MARK: Limits

        package static let sessions = Option(
            "ftp.sessions", 20_000, unit: "sessions", bounds: 1...1_000_000, "Most sessions at once.")
        package static let sessionsPerAddress = Option(
            "ftp.sessions-per-address", 1_000, unit: "sessions", bounds: 1...1_000_000,
            "Most sessions at once from one source, an IPv4 address or an IPv6 /64.")
        package static let sessionsPerAccount = Option(
            "ftp.sessions-per-account", 200, unit: "sessions", bounds: 1...1_000_000,
            "Most sessions at once of one account; parallel segments of one download count each.")
        package static let lockOutAttempts = Option(
            "ftp.lockout-attempts", 10, unit: "attempts", bounds: 1...1_000,
            "So many wrong passwords for one account from one source (an IPv4 address, an IPv6 /64) are looked at, then one each ftp.lockout-time. Other sources are not concerned."
        )
        package static let lockOutTime = Option(
            "ftp.lockout-time", 60, unit: "s", bounds: 1...3_600, "See ftp.lockout-attempts.")
        package static let idleTimeout = Option(
            "ftp.idle-timeout", 300, unit: "s", bounds: 10...86_400,
            "A session without a command for so long is closed.")
        package static let loginTimeout = Option(
            "ftp.login-timeout", 60, unit: "s", bounds: 5...3_600, "How long a client has to sign in.")
        package static let connectTimeout = Option(
            "ftp.data-timeout", 30, unit: "s", bounds: 2...600,
            "How long a data connection may take to come about, and how long an unused passive port stays open.")
        package static let stallTimeout = Option(
            "ftp.stall-timeout", 120, unit: "s", bounds: 5...3_600,
            "A transfer whose client takes no byte for so long is given up.")
        package static let sessionRate = Option(
            "ftp.rate-per-session", 0, unit: "KiB/s", bounds: 0...100_000_000,
            "Most that one session gets. 0: no limit.")
        package static let accountRate = Option(
            "ftp.rate-per-account", 0, unit: "KiB/s", bounds: 0...100_000_000,
            "Most that all sessions of one account get together. 0: no limit.")
        package static let serverRate = Option(
            "ftp.rate", 0, unit: "KiB/s", bounds: 0...100_000_000,
            "Most that all sessions get together. 0: no limit.")

        private static let limits: [any AnyOption] = [
            sessions, sessionsPerAddress, sessionsPerAccount, lockOutAttempts, lockOutTime, idleTimeout, loginTimeout,
            connectTimeout, stallTimeout,
            sessionRate, accountRate, serverRate,
        ]
    }

    package enum Requirement: String, OptionChoice { case off, allow, require }
    package enum Reuse: String, OptionChoice { case off, prefer, require }
    package enum CustomerSignIn: String, OptionChoice { case off, tls, any }
    package enum DataPeer: String, OptionChoice { case same, any }
}

/// TCP ports, first to last, both included.
package struct PortRange: OptionValue {
    package let first: Int
    package let last: Int

    package static var typeName: String { "ports, first-last" }

    package init(first: Int, last: Int) {
        self.first = first
        self.last = last
    }

    package init?(optionText: String) {
        let parts = optionText.split(separator: "-", omittingEmptySubsequences: false).map { Int(String($0)) }
        guard parts.count == 2, let first = parts[0], let last = parts[1], 1 <= first, first <= last, last <= 65_535
        else { return nil }
        self.init(first: first, last: last)
    }

    package var optionText: String { "\(first)-\(last)" }
    package var count: Int { last - first + 1 }
}
