import FFSModel
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import ServiceLifecycle
import Synchronization
import SystemSupport

/// Plain HTTP for operators' tools: `/metrics`, `/healthz` (the process answers), `/readyz` (it serves).
/// One request a connection, five seconds each; nothing else is here to attack.
final class MetricsServer: BindingService {
    private let address: String
    private let port: Int
    private let registry: PrometheusRegistry
    private let ready: Mutex<Bool>
    private let isServing: @Sendable () -> Bool
    private let channel = Mutex<(any Channel)?>(nil)

    init(
        address: String, port: Int, registry: PrometheusRegistry, isServing: @escaping @Sendable () -> Bool = { true }
    ) {
        self.address = address
        self.port = port
        self.registry = registry
        self.isServing = isServing
        ready = Mutex(false)
    }

    func setReady(_ value: Bool) { ready.withLock { $0 = value } }

    func bind() async throws {
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(IdleStateHandler(allTimeout: .seconds(5)))
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(OperatorsHandler(answer: self.answer))
                }
            }
        do {
            let bound = try await bootstrap.bind(host: address, port: port).get()
            channel.withLock { $0 = bound }
        } catch {
            throw Failure.cannotListen(
                on: address, port: port, (error as? IOError).map { Errno($0.errnoCode) }, purpose: " for /metrics",
                option: "metrics.base-port")
        }
    }

    func run() async throws {
        try await gracefulShutdown()
        if let channel = channel.withLock({ $0 }) { try? await channel.close() }
    }

    private func answer(_ path: String) -> (HTTPResponseStatus, String) {
        switch path {
        case "/metrics": (.ok, registry.exposition())
        case "/healthz": (.ok, "ok\n")
        case "/readyz":
            ready.withLock { $0 } && isServing()
                ? (.ok, "ready\n") : (.serviceUnavailable, "starting, draining, or turning customers away\n")
        default: (.notFound, "this port serves /metrics, /healthz and /readyz\n")
        }
    }
}

private final class OperatorsHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart
    private let answer: @Sendable (String) -> (HTTPResponseStatus, String)
    private var uri = ""

    init(answer: @escaping @Sendable (String) -> (HTTPResponseStatus, String)) { self.answer = answer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): uri = head.uri
        case .body: break
        case .end:
            let (status, text) = answer(uri)
            let body = context.channel.allocator.buffer(string: text)
            let headers: HTTPHeaders = [
                "content-type": "text/plain; version=0.0.4; charset=utf-8", "content-length": "\(body.readableBytes)",
                "connection": "close",
            ]
            context.write(
                wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))),
                promise: nil)
            context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
            let channel = context.channel
            context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(promise: nil) }
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
