import Clients
import CommlinkTransport
package import ConfigurationSchema
package import DaemonKit
import FFSModel
import Logging
import NIOCore
package import Requests
package import ServiceLifecycle
import Synchronization
import SystemSupport

/// ffswebd(8): the pages and the API over HTTPS, with commlinks to ffsauthd and ffsstaged; and the relay through which
/// storage hosts ask ffsauthd.
package struct WebDaemon: Daemon {
    package static var name: String { "ffswebd" }
    package static var user: Option<String>? { Options.Web.user }

    private static let sockets = ListeningSockets()

    private let server: WebServer
    private let current: CurrentFront
    private let certificate: ServerCertificate
    private let bags: [KeyBagStore]
    private let clients: CommlinkClients
    /// nil without web.relay-address.
    private let relay: CommlinkService?

    package static func prepare(_ environment: DaemonEnvironment) throws {
        try sockets.open(environment.configuration)
    }

    package init(_ environment: DaemonEnvironment) async throws {
        let configuration = environment.configuration
        let log = environment.logger
        let internalBags = try environment.keyBags(of: .webInternal)
        let storageBags = try environment.keyBags(of: .webStorage, peer: environment.peer(on: .webStorage))
        _ = try storageBags.offered()
        let settings = CommlinkSettings(configuration)
        let auth = CommlinkClient(
            link: .webInternal, host: configuration[Options.Auth.address],
            ports: Self.ports(configuration, Options.Auth.basePort, Options.Auth.portCount), bags: internalBags,
            settings: settings, logger: log)
        let staging = CommlinkClient(
            link: .webStorage, host: configuration[Options.Staging.address],
            ports: Self.ports(configuration, Options.Staging.basePort, Options.Staging.portCount), bags: storageBags,
            settings: settings, logger: log)
        let certificate = try ServerCertificate(
            certificate: configuration[Options.Web.certificate], key: configuration[Options.Web.privateKey])
        let front = try WebFront(
            settings: WebSettings(configuration), auth: AuthClient(auth), staging: StagingClient(staging),
            clocks: WebFront.Clocks(
                now: { SystemClock.now() }, steady: { SystemClock.sinceBoot() / 1_000_000_000 }), log: log)
        let current = CurrentFront(front)
        self.current = current
        self.certificate = certificate
        let pipe = Self.pipe(environment)
        bags = [internalBags, storageBags] + (pipe.map { [$0.bags] } ?? [])
        clients = CommlinkClients([auth, staging] + (pipe.map { [$0.client] } ?? []))
        relay = try Self.relay(environment, auth: auth, pipe: pipe?.client)
        server = WebServer(
            sockets: Self.sockets.take(), certificate: certificate, proxies: try TrustedProxies(configuration),
            front: { current.front },
            limits: WebServer.Limits(configuration), log: log)
    }

    /// What ffsctl(8) may ask on the control socket.
    package var requestTable: RequestTable {
        RequestTable(daemon: Self.name, version: ffsVersion, clock: { SystemClock.now() })
    }

    package var services: [any Service] {
        [clients, server, SessionSweeper(current: current, certificate: certificate)] + (relay.map { [$0] } ?? [])
    }

    package var counts: [DaemonStatus.Reply.Value] {
        [.init("ffs_web_sessions", current.front.sessions.count)]
    }

    package func reload(_ environment: DaemonEnvironment) async throws {
        let front = try current.front.with(
            WebSettings(environment.configuration))
        try certificate.reload()
        for store in bags { try store.reload() }
        try relay?.reload()
        current.replace(front)
    }

    package static func check(_ environment: DaemonEnvironment) async -> [CheckFinding] {
        let configuration = environment.configuration
        let path = configuration[Options.Web.certificate]
        var finding = CheckFinding(.ok, "web.certificate", path)
        do {
            let certificate = try ServerCertificate(certificate: path, key: configuration[Options.Web.privateKey])
            if certificate.isSelfSigned {
                finding = CheckFinding(
                    .warning, "web.certificate", "\(path) is self-signed: browsers warn until you bring one they trust")
            }
        } catch {
            finding = CheckFinding(.error, "web.certificate", error.description)
        }
        var findings = [finding]
        do { _ = try TrustedProxies(configuration) } catch {
            findings.append(CheckFinding(.error, "web.proxies", error.description))
        }
        findings += [Link.webInternal, .webStorage].map { environment.checkKeyBag(of: $0) }
        if !configuration[Options.Web.relayAddress].isEmpty {
            findings.append(environment.checkKeyBag(of: .storageWeb, isServer: true))
            let pipe = environment.checkKeyBag(of: .webPipe)
            findings.append(CheckFinding(pipe.severity == .ok ? .ok : .warning, pipe.subject, pipe.text))
        }
        return findings
    }

    /// The way to the log; nil without web.relay-address, and where there is no bag for it: then events wait in the storage
    /// hosts' journals, and customers are served all the same.
    private static func pipe(_ environment: DaemonEnvironment) -> (client: CommlinkClient, bags: KeyBagStore)? {
        let configuration = environment.configuration
        guard !configuration[Options.Web.relayAddress].isEmpty else { return nil }
        let bags: KeyBagStore
        do { bags = try environment.keyBags(of: .webPipe) } catch {
            environment.logger.warning("no events are relayed: \(error)")
            return nil
        }
        let client = CommlinkClient(
            link: .webPipe, host: configuration[Options.Pipeline.address],
            ports: ports(configuration, Options.Pipeline.basePort, Options.Pipeline.portCount), bags: bags,
            settings: CommlinkSettings(configuration), logger: environment.logger)
        return (client, bags)
    }

    private static func relay(
        _ environment: DaemonEnvironment, auth: CommlinkClient, pipe: CommlinkClient?
    ) throws(Failure) -> CommlinkService? {
        let address = environment.configuration[Options.Web.relayAddress]
        guard !address.isEmpty else { return nil }
        var table = RequestTable(daemon: name, version: ffsVersion, clock: { SystemClock.now() })
        Relay(auth: auth, pipe: pipe, steady: { SystemClock.sinceBoot() / 1_000_000_000 }).add(to: &table)
        return try CommlinkService(
            environment, link: .storageWeb, address: address,
            ports: ports(environment.configuration, Options.Web.relayBasePort, Options.Web.relayPortCount),
            table: table)
    }

    private static func ports(
        _ configuration: Configuration, _ base: Option<Int>, _ count: Option<Int>
    ) -> ClosedRange<Int> {
        configuration[base]...(configuration[base] + configuration[count] - 1)
    }
}

extension WebServer.Limits {
    fileprivate init(_ configuration: Configuration) {
        self.init(
            connections: configuration[Options.Web.connections],
            connectionsPerSource: configuration[Options.Web.connectionsPerSource],
            requestTimeout: .seconds(Int64(configuration[Options.Web.requestTimeout])),
            keepAlive: .seconds(Int64(configuration[Options.Web.keepAlive])))
    }
}

/// The front in force; a reload puts another in its place.
private final class CurrentFront: Sendable {
    private let state: Mutex<WebFront>

    init(_ front: WebFront) { state = Mutex(front) }

    var front: WebFront { state.withLock { $0 } }

    func replace(_ front: WebFront) { state.withLock { $0 = front } }
}

/// Forgets ended sessions every half minute.
private struct SessionSweeper: Service {
    let current: CurrentFront
    let certificate: ServerCertificate
    /// Nanoseconds for which one key opens TLS sessions' tickets.
    private static let ticketKeyLife: Int64 = 43_200_000_000_000

    func run() async throws {
        try? await cancelWhenGracefulShutdown {
            var turnAt = SystemClock.monotonic() + Self.ticketKeyLife
            while !Task.isCancelled {
                try await Task.sleep(for: .seconds(30))
                current.front.sweep()
                guard SystemClock.monotonic() >= turnAt else { continue }
                turnAt += Self.ticketKeyLife
                // A fresh context draws a fresh key. Where the files are at fault now, what is in force stays.
                try? certificate.reload()
            }
        }
    }
}
