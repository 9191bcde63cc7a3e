import FFSModel
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import TLSEngine

/// Serves the pages on the listening sockets: Hummingbird's HTTP/1.1 and TLS channels behind our own listeners, which
/// were opened as root, bound connections and sources, and keep deadlines.
struct WebServer: Service {
    struct Limits: Sendable {
        let connections: Int
        let connectionsPerSource: Int
        let requestTimeout: TimeAmount
        let keepAlive: TimeAmount
        /// Bytes of a request's head: a search with some hundred ticked boxes goes into the query.
        let headBytes = 48 << 10
    }

    let sockets: [ListeningSockets.Socket]
    let certificate: ServerCertificate
    let proxies: TrustedProxies
    let front: @Sendable () -> WebFront
    let limits: Limits
    let log: Logger

    func run() async throws {
        let table = ConnectionTable(limit: limits.connections, limitPerSource: limits.connectionsPerSource)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for socket in sockets { group.addTask { try await serve(socket, table) } }
            // One listener that ends without being told to ends them all.
            try await group.waitForAll()
        }
    }

    private func serve(_ socket: ListeningSockets.Socket, _ table: ConnectionTable) async throws {
        let child = ClientChannel(
            http: http(secure: socket.isSecure, table), certificate: socket.isSecure ? certificate : nil)
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptGate(table: table))
                }
            }
            // NIO listens anew on what it is given.
            .serverChannelOption(.backlog, value: ListeningSockets.backlog)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .bind(socket.descriptor) { (channel: any Channel) -> EventLoopFuture<HTTP1Channel.Value> in
                let peer = IPAddress(channel.remoteAddress)
                guard table.admit(channel, from: proxies.contains(peer) ? nil : Source(peer).network) else {
                    // NIO leaves the channel of a failed future open.
                    channel.close(promise: nil)
                    return channel.eventLoop.makeFailedFuture(ConnectionTable.Full())
                }
                return announce(from: peer, channel, table).flatMap { child.setup(channel: channel, logger: log) }
            }
        log.info("listening", metadata: ["socket": "\(socket.name)"])
        await withGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                do {
                    try await server.executeThenClose { connections in
                        for try await connection in connections {
                            group.addTask { await child.handle(value: connection, logger: log) }
                        }
                    }
                } catch {
                    log.error("listener failed: \(error)", metadata: ["socket": "\(socket.name)"])
                }
            }
        } onGracefulShutdown: {
            server.channel.close(promise: nil)
            table.drain()
        }
    }

    /// Has the PROXY protocol header read where one is to come.
    private func announce(
        from peer: IPAddress?, _ channel: any Channel, _ table: ConnectionTable
    ) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            guard proxies.announces(peer) else { return }
            try channel.pipeline.syncOperations.addHandler(
                ProxyHeaderHandler { table.announce($0, of: channel) })
        }
    }

    private func http(secure: Bool, _ table: ConnectionTable) -> HTTP1Channel {
        let adapter = HTTPAdapter(front: front, proxies: proxies, connections: table, isTLS: secure)
        let limits = limits
        return HTTP1Channel(
            responder: { request, writer, channel in try await adapter.respond(to: request, writer, on: channel) },
            configuration: HTTP1Channel.Configuration(
                additionalChannelHandlers: [RequestDeadlines(request: limits.requestTimeout, idle: limits.keepAlive)],
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: limits.headBytes, maxHeaderListSize: limits.headBytes, maxHeaderFieldCount: 100
                )))
    }
}

/// A connection: HTTP, inside TLS where there is a certificate. The certificate is asked for at each connection, so that
/// a new one takes effect with the next.
private struct ClientChannel: ServerChildChannel {
    typealias Value = HTTP1Channel.Value

    let http: HTTP1Channel
    let certificate: ServerCertificate?

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        guard let certificate else { return http.setup(channel: channel, logger: logger) }
        return channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(
                TLSServerHandler(connection: try TLSConnection(.server, context: certificate.context)))
        }.flatMap { http.setup(channel: channel, logger: logger) }
    }

    func handle(value: Value, logger: Logger) async { await http.handle(value: value, logger: logger) }
}
