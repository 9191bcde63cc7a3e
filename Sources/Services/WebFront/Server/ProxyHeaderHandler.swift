import FFSModel
import NIOCore

/// Takes the PROXY protocol header off the front of a listed proxy's connection, before TLS and HTTP see anything of
/// it. A header that is malformed ends the connection.
final class ProxyHeaderHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let announce: (IPAddress) -> Void
    private var head: ByteBuffer?

    /// - Parameter announce: gets the client's address; is not called for the proxy's own health checks.
    init(announce: @escaping (IPAddress) -> Void) { self.announce = announce }

    func handlerAdded(context: ChannelHandlerContext) { head = context.channel.allocator.buffer(capacity: 0) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard var bytes = head else { return context.fireChannelRead(data) }
        bytes.writeImmutableBuffer(unwrapInboundIn(data))
        switch bytes.withUnsafeReadableBytes({
            ProxyHeader(UnsafeRawBufferPointer(rebasing: $0.prefix(ProxyHeader.longest)))
        }) {
        case .incomplete where bytes.readableBytes < ProxyHeader.longest: head = bytes
        case .incomplete, .malformed: context.close(promise: nil)
        case .header(let length, let client):
            head = nil
            bytes.moveReaderIndex(forwardBy: length)
            if let client { announce(client.address) }
            if bytes.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(bytes)) }
        }
    }
}
