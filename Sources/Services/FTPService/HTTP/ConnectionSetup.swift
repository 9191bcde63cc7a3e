import FFSModel
import FTPProtocol
import NIOCore
import NIOHTTP2
import TLSEngine

/// Puts the handlers of one accepted connection together:
///
///     LingeringCloser → TLS → ProtocolChooser ──ALPN──▶ HTTP1Handler, or NIOHTTP2Handler → HTTP2Handler
struct ConnectionSetup {
    let desk: DownloadDesk
    let tls: TLSContext

    /// Throws, which closes the channel, for a connection that is not even told why it is turned away.
    func begin(_ channel: any NIOCore.Channel, from peer: Endpoint) throws {
        guard let connection = desk.admit(channel, from: peer) else { throw ChannelError.ioOnClosedChannel }
        try channel.pipeline.syncOperations.addHandlers([
            LingeringCloser(connection, patience: .seconds(Int64(desk.settings.stallTimeout))),
            TLSServerHandler(connection: try TLSConnection(.server, context: tls)),
            ProtocolChooser(desk: desk, connection: connection),
        ])
    }
}

/// Waits for the handshake, then sets the pipeline up for what ALPN agreed.
private final class ProtocolChooser: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let desk: DownloadDesk
    private let connection: HTTPSConnection
    private var deadline: Scheduled<Void>?

    init(desk: DownloadDesk, connection: HTTPSConnection) {
        self.desk = desk
        self.connection = connection
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        deadline = context.eventLoop.scheduleTask(in: .seconds(Int64(desk.settings.handshakeTimeout))) {
            channel.close(promise: nil)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let handshake = event as? TLSHandshakeCompleted else {
            return context.fireUserInboundEventTriggered(event)
        }
        deadline?.cancel()
        connection.handshake = handshake
        desk.ledger.count(handshake.resumption == .none ? .httpsFull : .httpsResumed)
        let pipeline = context.pipeline.syncOperations
        do {
            guard handshake.applicationProtocol == "h2" else {
                return try pipeline.addHandler(HTTP1Handler(desk: desk, connection: connection))
            }
            try pipeline.addHandlers([
                NIOHTTP2Handler(mode: .server, connectionConfiguration: Self.configuration),
                HTTP2Handler(desk: desk, connection: connection),
            ])
        } catch { context.close(promise: nil) }
    }

    private static let configuration = {
        var configuration = NIOHTTP2Handler.ConnectionConfiguration()
        configuration.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: HTTP2Handler.mostStreams),
            HTTP2Setting(parameter: .maxHeaderListSize, value: 32_768),
        ]
        return configuration
    }()

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        if connection.handshake == nil { desk.ledger.count(.httpsFailed) }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { connection.cut() }
}
