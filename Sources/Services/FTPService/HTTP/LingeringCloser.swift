import NIOCore

/// Closes our side of a connection first, and the whole of it once the client has taken what was sent and closed its own.
///
/// A socket that is closed while the client still talks, as HTTP/2 clients do all the time (WINDOW_UPDATE, PING), is
/// reset, and the client loses what it had not read yet (RFC 9112 §9.6). The last megabytes of a file stand in the socket
/// when its answer has ended here. It is the first handler, beneath TLS.
final class LingeringCloser: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    private let connection: HTTPSConnection
    /// How long the client may take for the rest.
    private let patience: TimeAmount
    private var isLingering = false
    private var deadline: Scheduled<Void>?

    init(_ connection: HTTPSConnection, patience: TimeAmount) {
        self.connection = connection
        self.patience = patience
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard mode == .all, !connection.isCut, context.channel.isActive else {
            return context.close(mode: mode, promise: promise)
        }
        if let promise { context.channel.closeFuture.cascade(to: promise) }
        guard !isLingering else { return }
        isLingering = true
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        let patience = connection.isMisbehaving ? .seconds(1) : patience
        deadline = context.eventLoop.scheduleTask(in: patience) { bound.value.close(promise: nil) }
        context.close(mode: .output, promise: nil)
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if !isLingering { context.fireChannelRead(data) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        // Nobody above asks any more, and the end of the stream must be seen.
        if isLingering { context.read() } else { context.fireChannelReadComplete() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        context.fireChannelInactive()
    }
}
