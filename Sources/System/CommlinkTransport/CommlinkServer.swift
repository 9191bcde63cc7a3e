import Commlink
package import FFSModel
package import Logging
import Metrics
import NIOCore
import NIOPosix
package import Requests
import Synchronization
import SystemSupport
import Tobj

/// Serves a request table on a range of TCP ports, one FFS/2 connection a client socket (ffs-commlink(7)).
///
/// `bind()` opens the ports, `run()` serves until `shutdown()` (drains: running requests are answered) or until its
/// task is cancelled (connections are cut).
package final class CommlinkServer: Sendable {
    let settings: CommlinkSettings
    let bags: KeyBagStore
    let dispatcher: RequestDispatcher
    let logger: Logger
    private let link: Link
    private let address: String
    private let ports: ClosedRange<Int>
    private let listeners = Mutex<[any Channel]>([])
    private let registry: ConnectionRegistry
    private let handshakes: Counter
    private let nextFullNote = Mutex(NIODeadline.uptimeNanoseconds(0))

    /// `address`: an IPv4 or IPv6 address, or a name; every port of `ports` is bound on it.
    package init(
        link: Link, address: String, ports: ClosedRange<Int>, bags: KeyBagStore, settings: CommlinkSettings,
        table: RequestTable, logger: Logger
    ) {
        self.link = link
        self.address = address
        self.ports = ports
        self.bags = bags
        self.settings = settings
        var logger = logger
        logger[metadataKey: "link"] = "\(link.rawValue)"
        self.logger = logger
        var limits = TobjLimits()
        limits.size = settings.documentSize
        dispatcher = RequestDispatcher(
            link: link, table: table, limits: limits, maximum: settings.requestsInAll,
            maximumWaits: settings.waitsInAll,
            logger: logger)
        let gauge = Gauge(label: "ffs_commlink_connections", dimensions: [("link", link.rawValue)])
        registry = ConnectionRegistry(maximum: settings.maxConnections) { gauge.record($0) }
        handshakes = Counter(label: "ffs_commlink_handshakes_total", dimensions: [("link", link.rawValue)])
    }

    // MARK: Life

    /// Opens every port of the range, or none. Throws `configuration` naming the port that is taken.
    package func bind() async throws(Failure) {
        var opened: [any Channel] = []
        for port in ports {
            do {
                opened.append(try await bootstrap().bind(host: address, port: port).get())
            } catch {
                for channel in opened { try? await channel.close() }
                throw .cannotListen(
                    on: address, port: port, (error as? IOError).map { Errno($0.errnoCode) },
                    purpose: " for the \(link.rawValue) link", option: "the base port")
            }
        }
        listeners.withLock { $0 = opened }
        logger.info(
            "listening", metadata: ["address": "\(address)", "ports": "\(ports.lowerBound)-\(ports.upperBound)"])
    }

    /// Serves until ``shutdown()``; binds first unless ``bind()`` did.
    package func run() async throws {
        if listeners.withLock({ $0.isEmpty }) { try await bind() }
        let sweeper = Task { [self] in
            while !Task.isCancelled {
                sweep()
                try? await Task.sleep(for: .seconds(min(10, settings.progressTimeout)))
            }
        }
        defer { sweeper.cancel() }
        await registry.drained()
        for listener in listeners.withLock({ $0 }) { try? await listener.close() }
    }

    /// Accepts no more, answers what is under way, says close on every connection; `run()` then returns.
    package func shutdown() {
        for listener in listeners.withLock({ $0 }) { listener.close(promise: nil) }
        registry.forEach(ServerChannelHandler.self) { $0.finish() }
        registry.stop()
    }

    /// Ends connections whose key bag is no longer live: after a reload of the bags, and every few seconds for the
    /// deadline of the previous one.
    package func sweep() { registry.forEach(ServerChannelHandler.self) { $0.sweep() } }

    // MARK: Sockets

    private func bootstrap() -> ServerBootstrap {
        ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 4_096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.tcpUserTimeout, value: tcpUserTimeout)
            // A large reply still to be taken does not keep the next one from being made.
            .childChannelOption(
                .writeBufferWaterMark,
                value: .init(low: settings.documentSize / 2, high: settings.documentSize * 3 / 2)
            )
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture { try admit(channel) }
            }
    }

    private struct Refused: Error {}

    private func admit(_ channel: any Channel) throws {
        guard let address = channel.remoteAddress, let port = address.port.flatMap(UInt16.init(exactly:)) else {
            throw Refused()
        }
        let host = address.ipAddress ?? "-"
        let peer = host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
        switch registry.admitStranger(channel, from: host) {
        case .stopping: throw Refused()
        case .admitted(let cut):
            if let cut {
                count(
                    full: "strangers", cut.remoteAddress?.description ?? "-",
                    "too many connections have not said hello; the oldest of them is cut")
            }
        }
        try channel.pipeline.syncOperations.addHandler(ServerChannelHandler(owner: self, peer: peer, peerPort: port))
    }

    /// Whether one that said hello may stay; false, counted and logged, when all places are taken.
    func mayGreet(_ peer: String) -> Bool {
        if registry.hasRoom { return true }
        count(full: "full", peer, "\(settings.maxConnections) connections are open (commlink.connections)")
        return false
    }

    /// The peer's first packet verified: false when all places were taken meanwhile.
    func prove(_ channel: any Channel) -> Bool { registry.prove(channel) }

    /// Counts each, but logs one a second: a flood of connections must not become a flood of lines.
    private func count(full reason: String, _ peer: String, _ why: String) {
        Counter(label: "ffs_commlink_refused_total", dimensions: [("link", link.rawValue), ("reason", reason)])
            .increment()
        let isDue = nextFullNote.withLock { next in
            guard NIODeadline.now() >= next else { return false }
            next = .now() + .seconds(1)
            return true
        }
        guard isDue else { return }
        logger.warning(
            "connection refused",
            metadata: [
                "peer": "\(peer)", "code": "\(reason)", "reason": "\(why)",
            ])
    }

    func opened() { handshakes.increment() }

    func count(refused error: WireError, peer: String, level: Logger.Level) {
        Counter(
            label: "ffs_commlink_refused_total", dimensions: [("link", link.rawValue), ("reason", error.label)]
        ).increment()
        logger.log(
            level: level, "connection refused",
            metadata: ["peer": "\(peer)", "code": "\(error.label)", "reason": "\(error)"])
    }
}
