extension Options {
    /// ffsauthd(8), and where its clients find it.
    package enum Auth {
        package static let user = Option(
            "auth.user", "ffsauth", "User that ffsauthd runs as when it is started as root.")
        package static let address = Option(
            "auth.address", "127.0.0.1", "Address ffsauthd listens on and its clients connect to.")
        package static let basePort = Option(
            "auth.base-port", 7640, unit: "port", bounds: 1...65_000, "First port of ffsauthd's commlink range.")
        package static let portCount = Option(
            "auth.port-count", 8, unit: "ports", bounds: 1...64,
            "Ports in the range; clients spread transactions over them.")
        package static let database = Option(
            "auth.database", "auth/master.sqlite",
            "The master database: a SQLite file, relative to state.directory unless absolute. Its directory must be auth.user's alone; ffsauthd makes both."
        )
        package static let hashCost = Option(
            "auth.hash-cost", 5, unit: "steps", bounds: 1...11,
            "Cost of password hashes, crypt(5)'s for yescrypt: each step doubles time and memory (5: some 20 ms and 16 MiB). Customers' hashes are renewed as they sign in."
        )
        package static let hashThreads = Option(
            "auth.hash-threads", 0, unit: "threads", bounds: 0...64,
            "Password hashes computed at once. 0: half of the processors, so that sign-ins leave room for the rest. Takes a restart."
        )
        package static let hashQueue = Option(
            "auth.hash-queue", 128, unit: "sign-ins", bounds: 2...4_096,
            "Sign-ins that may wait for a hash; more are told to come back later, and one source never takes more than half. Takes a restart."
        )
        package static let lockoutAttempts = Option(
            "auth.lockout-attempts", 5, unit: "attempts", bounds: 1...100,
            "Wrong passwords in a row, for one customer from one source, before the first wait of 5 seconds.")
        package static let lockoutMaximum = Option(
            "auth.lockout-maximum", 900, unit: "s", bounds: 5...86_400,
            "The wait doubles with each further wrong password, up to this.")
        package static let refusalTime = Option(
            "auth.refusal-time", 250, unit: "ms", bounds: 10...5_000,
            "A refused sign-in is answered a multiple of this after it came, so that the time does not tell why. Make it longer than one hash takes."
        )
        package static let passwordMinimum = Option(
            "auth.password-minimum", 8, unit: "byte", bounds: 1...64, "Shortest new password that is accepted.")

        /// Below run.directory: where ffspiped fetches ffsauthd's events.
        package static let pipeSocket = "ffsauthd/pipe.sock"

        package static let all: [any AnyOption] = [
            user, address, basePort, portCount, database, hashCost, hashThreads, hashQueue, lockoutAttempts,
            lockoutMaximum, refusalTime, passwordMinimum,
        ]
    }
}
