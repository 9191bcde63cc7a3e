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
            "auth.database", "master.sqlite",
            "The master database: a SQLite file, relative to state.directory unless absolute.")

        package static let all: [any AnyOption] = [user, address, basePort, portCount, database]
    }
}
