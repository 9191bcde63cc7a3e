import NIOCore
import NIOPosix
import TestSupport

/// A NAT in miniature: whoever connects to it reaches the server from another port.
struct PortRewriter {
    let port: Int
    private let listener: any Channel

    init(to server: Int) async throws {
        port = try Ports.one()
        listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { inside in
                ClientBootstrap(group: inside.eventLoop).connect(host: "127.0.0.1", port: server).flatMapThrowing {
                    outside in
                    try inside.pipeline.syncOperations.addHandler(Glue(outside))
                    try outside.pipeline.syncOperations.addHandler(Glue(inside))
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
    }

    func stop() async throws { try await listener.close() }
}

private final class Glue: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let other: any Channel

    init(_ other: any Channel) { self.other = other }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        other.writeAndFlush(unwrapInboundIn(data), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { other.close(promise: nil) }
}
