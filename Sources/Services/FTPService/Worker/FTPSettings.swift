package import ConfigurationSchema
package import FFSModel
package import FTPProtocol

/// What a worker reads of the configuration, parsed once.
package struct FTPSettings: Sendable {
    package let policy: SessionPolicy
    package let tlsReuse: Options.Reuse
    /// For passive data connections, of all workers.
    package let passivePorts: PortRange
    /// Workers that share ``passivePorts``.
    package let workers: Int
    package let passiveAddress: PassiveAddress
    /// Whether data connections may come from other addresses than the control connection's.
    package let acceptsAnyDataPeer: Bool
    /// Balancers, whose connections begin with a PROXY header.
    package let proxies: AddressSet
    /// Seconds without a command, once signed in.
    package let idleTimeout: Int
    /// Seconds from the connection to the sign-in.
    package let loginTimeout: Int
    /// Seconds from a data command to its data connection, and for which an unused passive port is kept.
    package let dataTimeout: Int
    /// Seconds for which a data connection may take no byte.
    package let stallTimeout: Int
    package let limits: SessionLimits
    /// Seconds for which a worker that is replaced may go on.
    package let drainSeconds: Int
    /// Whether customers may sign in with their own names.
    package let customerSignIn: Options.CustomerSignIn

    /// Throws `configuration` for an address list that holds something else.
    package init(_ configuration: Configuration, hasTLS: Bool) throws(Failure) {
        policy = SessionPolicy(
            controlProtection: hasTLS ? Self.protection(configuration[Options.FTP.controlTLS]) : .off,
            dataProtection: hasTLS ? Self.protection(configuration[Options.FTP.dataTLS]) : .off,
            allowsActive: configuration[Options.FTP.active], greeting: configuration[Options.FTP.greeting])
        tlsReuse = configuration[Options.FTP.sessionReuse]
        passivePorts = configuration[Options.FTP.passivePorts]
        workers = max(1, configuration[Options.FTP.workers])
        passiveAddress = try PassiveAddress(configuration[Options.FTP.passiveAddress])
        acceptsAnyDataPeer = configuration[Options.FTP.dataPeer] == .any
        proxies = try AddressSet(configuration[Options.FTP.proxies], option: Options.FTP.proxies.key)
        idleTimeout = configuration[Options.FTP.idleTimeout]
        loginTimeout = configuration[Options.FTP.loginTimeout]
        dataTimeout = configuration[Options.FTP.connectTimeout]
        stallTimeout = configuration[Options.FTP.stallTimeout]
        limits = SessionLimits(configuration)
        drainSeconds = configuration[Options.Common.drainSeconds]
        let wanted = configuration[Options.FTP.customerSignIn]
        // Where there is no TLS, nobody can come under it.
        let isPossible = !configuration[Options.FTP.relayHost].isEmpty && (hasTLS || wanted != .tls)
        customerSignIn = isPossible ? wanted : .off
    }

    private static func protection(_ requirement: Options.Requirement) -> SessionPolicy.Protection {
        switch requirement {
        case .off: .off
        case .allow: .allow
        case .require: .require
        }
    }
}

/// What PASV announces to whom (`ftp.passive-address`).
package struct PassiveAddress: Sendable {
    private var fallback: IPAddress?
    private var networks: [(network: IPNetwork, announced: IPAddress)] = []

    init(_ texts: [String]) throws(Failure) {
        for text in texts where !text.isEmpty {
            let parts = text.split(separator: "=").map(String.init)
            guard let last = parts.last, let address = IPAddress(text: last.utf8), address.family == .v4,
                parts.count <= 2
            else { throw Self.refusal(text) }
            if parts.count == 1 {
                fallback = address
            } else {
                guard let network = IPNetwork(text: parts[0].utf8) else { throw Self.refusal(text) }
                networks.append((network, address))
            }
        }
    }

    private static func refusal(_ text: String) -> Failure {
        Failure(
            .configuration,
            "ftp.passive-address: \(text) is neither an IPv4 address or the name of a host that has one, nor network=address, such as 10.0.0.0/8=10.0.0.1"
        )
    }

    /// `texts` with an address in place of each host's name; a confined worker cannot look one up.
    package static func withoutNames(
        _ texts: [String], lookUp: (String) -> [UInt8]?
    ) throws(Failure) -> [String] {
        try texts.map { text throws(Failure) in
            let start = text.lastIndex(of: "=").map(text.index(after:)) ?? text.startIndex
            let name = text[start...]
            // What holds no letter was meant to be an address; inet_aton(3) would take 10.1 for one.
            guard name.utf8.contains(where: { (0x61...0x7A).contains($0 | 0x20) }), !name.contains(":") else {
                return text
            }
            guard let address = lookUp(String(name)).flatMap({ IPAddress(bytes: $0) }) else { throw refusal(text) }
            return text[..<start] + "\(address)"
        }
    }

    /// The address for a client at `peer` that is connected to `local`.
    package func announced(to peer: IPAddress, local: IPAddress) -> IPAddress {
        networks.first { $0.network.contains(peer) }?.announced ?? fallback ?? local
    }
}
