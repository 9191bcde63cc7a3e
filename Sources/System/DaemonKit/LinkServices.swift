import Commlink
package import CommlinkTransport
package import ConfigurationSchema
package import FFSModel
package import Requests
import ServiceLifecycle

extension CommlinkSettings {
    package init(_ configuration: Configuration) {
        self.init()
        portCheck = configuration[Options.Keys.portCheck] == .strict ? .strict : .announced
        helloTimeout = configuration[Options.Keys.helloTimeout]
        documentSize = configuration[Options.Keys.documentSize]
        maxConnections = configuration[Options.Keys.maxConnections]
        reconnectPackets = configuration[Options.Keys.reconnectPackets]
        reconnectSeconds = configuration[Options.Keys.reconnectSeconds]
    }
}

extension DaemonEnvironment {
    /// The live key bags of `link`; throws `configuration` with the remedy.
    /// - Parameter peer: the host that is asked over them, where it is known by name.
    /// - Parameter mayBeEmpty: for a server, which without bags serves nobody until there are.
    package func keyBags(
        of link: Link, peer: NodeName? = nil, mayBeEmpty: Bool = false
    ) throws(Failure) -> KeyBagStore {
        try KeyBagStore(
            directory: configuration[Options.Keys.directory], link: link, local: configuration.localNode, peer: peer,
            mayBeEmpty: mayBeEmpty, allowTestKeys: allowTestKeys, logger: logger)
    }

    /// The host that this one asks over `link`, where it is known by name.
    package func peer(on link: Link) -> NodeName? {
        link == .webStorage ? configuration[Options.Staging.node].given : nil
    }

    /// A finding for `--check`: whether the bag of `link` can be used.
    package func checkKeyBag(of link: Link, isServer: Bool = false) -> CheckFinding {
        let subject = "\(configuration[Options.Keys.directory])/\(link.rawValue)"
        do {
            let bags = try keyBags(of: link, peer: peer(on: link), mayBeEmpty: isServer)
            if isServer {
                guard !bags.bags.isEmpty else {
                    return CheckFinding(
                        .warning, subject,
                        "nobody has a key for this link yet: see \"ffsctl node add\" and \"ffsctl keys\"")
                }
            } else {
                _ = try bags.offered()
            }
            return CheckFinding(.ok, subject, "key bag of the link \(link.rawValue)")
        } catch { return CheckFinding(.error, subject, error.text) }
    }
}

/// A commlink range as a part of a daemon: opens its ports before the daemon is ready, drains on SIGTERM.
package struct CommlinkService: BindingService {
    private let server: CommlinkServer
    private let bags: KeyBagStore

    /// Loads the key bag of `link`; throws `configuration` with the remedy.
    package init(
        _ environment: DaemonEnvironment, link: Link, address: String, ports: ClosedRange<Int>, table: RequestTable
    ) throws(Failure) {
        bags = try environment.keyBags(of: link, mayBeEmpty: true)
        server = CommlinkServer(
            link: link, address: address, ports: ports, bags: bags,
            settings: CommlinkSettings(environment.configuration), table: table, logger: environment.logger)
    }

    package func bind() async throws { try await server.bind() }

    package func run() async throws {
        try await withGracefulShutdownHandler {
            try await server.run()
        } onGracefulShutdown: {
            server.shutdown()
        }
    }

    /// Reads the key bags again; connections under a bag that is gone end without losing a request.
    package func reload() throws(Failure) {
        try bags.reload()
        server.sweep()
    }
}

/// A daemon's commlink connections to others: says close on them when the daemon stops. List it before the services that
/// ask over them, as services end in reverse order.
package struct CommlinkClients: Service {
    private let clients: [CommlinkClient]

    package init(_ clients: [CommlinkClient]) { self.clients = clients }

    package init(_ clients: CommlinkClient...) { self.init(clients) }

    package func run() async throws {
        try? await gracefulShutdown()
        for client in clients { await client.close() }
    }
}

/// A UNIX socket, the control socket or another, as a part of a daemon.
package struct ControlService: BindingService {
    private let server: ControlServer

    package init(_ server: ControlServer) { self.server = server }

    package func bind() async throws { try await server.bind() }

    package func run() async throws {
        try await withGracefulShutdownHandler {
            try await server.run()
        } onGracefulShutdown: {
            server.shutdown()
        }
    }
}
