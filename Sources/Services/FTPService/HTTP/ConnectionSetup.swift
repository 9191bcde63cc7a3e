import FTPProtocol
import NIOCore
import NIOHTTP1
import NIOHTTP2
import TLSEngine

/// Puts the handlers of one accepted connection together:
///
///     LingeringCloser → TLS → ProtocolChooser ──ALPN──▶ idle timer → HTTP/1.1 or HTTP/2 → DownloadHandler
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
        do {
            try context.channel.pipeline.syncOperations.addHandler(IdleCloser(desk: desk, connection: connection))
            if handshake.applicationProtocol == "h2" {
                try configureHTTP2(context.channel)
            } else {
                try configureHTTP1(context.channel)
            }
        } catch { context.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        if connection.handshake == nil { desk.ledger.count(.httpsFailed) }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { connection.cut() }

    private func configureHTTP1(_ channel: any NIOCore.Channel) throws {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.configureHTTPServerPipeline(withErrorHandling: true)
        try pipeline.addHandler(DownloadHandler(desk: desk, connection: connection, closesWhenDone: true))
    }

    private func configureHTTP2(_ channel: any NIOCore.Channel) throws {
        let pipeline = channel.pipeline.syncOperations
        var settings = NIOHTTP2Handler.ConnectionConfiguration()
        settings.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: 100),
            HTTP2Setting(parameter: .maxHeaderListSize, value: 32_768),
        ]
        let parts = NIOLoopBound((desk, connection), eventLoop: channel.eventLoop)
        // Sends GOAWAY when the worker drains: the client opens no more streams, those there end.
        let manager = NIOHTTP2ServerConnectionManagementHandler(
            eventLoop: channel.eventLoop,
            configuration: .init(maxIdleTime: nil, maxAge: nil, maxGraceTime: nil, keepalive: nil))
        let http2 = NIOHTTP2Handler(
            mode: .server, eventLoop: channel.eventLoop, connectionConfiguration: settings,
            streamConfiguration: .init(), streamDelegate: manager.http2StreamDelegate
        ) { stream in
            stream.eventLoop.makeCompletedFuture {
                let (desk, connection) = parts.value
                try stream.pipeline.syncOperations.addHandlers([
                    HTTP2FramePayloadToHTTP1ServerCodec(),
                    DownloadHandler(desk: desk, connection: connection, closesWhenDone: false),
                ])
            }
        }
        try pipeline.addHandlers([http2, manager])
    }
}

/// Closes a connection that takes nothing: between answers after the idle time, within one after the longer stall time.
/// What the client sends does not count, or a request that drips could keep a connection for ever.
private final class IdleCloser: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    private let desk: DownloadDesk
    private let connection: HTTPSConnection
    private var last = NIODeadline.now()
    private var writing = 0
    private var timer: RepeatedTask?

    init(desk: DownloadDesk, connection: HTTPSConnection) {
        self.desk = desk
        self.connection = connection
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        let channel = context.channel
        timer = context.eventLoop.scheduleRepeatedTask(initialDelay: .seconds(5), delay: .seconds(5)) { _ in
            me.value.check(channel)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    private func check(_ channel: any NIOCore.Channel) {
        let isBusy = connection.isBusy || writing > 0
        let limit = isBusy ? desk.settings.stallTimeout : desk.settings.idleTimeout
        guard NIODeadline.now() - last > .seconds(Int64(limit)) else { return }
        // Who takes nothing more need not be waited for, nor who was sent nothing.
        if isBusy || !connection.hasAnswered { connection.cut() } else { channel.close(promise: nil) }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        writing += 1
        let promise = promise ?? context.eventLoop.makePromise()
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        promise.futureResult.whenComplete { _ in
            me.value.writing -= 1
            me.value.last = .now()
        }
        context.write(data, promise: promise)
    }
}
