import NIOCore

/// One connection to a control socket: lines in, reply lines out, one request at a time. Lives on its event loop.
final class ControlChannelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let dispatcher: RequestDispatcher
    private let peer: String
    private var buffer: [UInt8] = []
    private var scanned = 0
    private var isAnswering = false
    private var inputHasEnded = false
    private var isFinishing = false
    private var context: ChannelHandlerContext?

    /// Bytes of the longest line: the largest document.
    private static let lineLimit = 1 << 20

    init(dispatcher: RequestDispatcher, peer: String) {
        self.dispatcher = dispatcher
        self.peer = peer
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }
    func channelActive(context: ChannelHandlerContext) { context.read() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        buffer.append(contentsOf: unwrapInboundIn(data).readableBytesView)
    }

    func channelReadComplete(context: ChannelHandlerContext) { proceed() }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            inputHasEnded = true
            proceed()
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func proceed() {
        guard let context, !isAnswering else { return }
        guard !isFinishing else { return context.close(promise: nil) }
        if let end = buffer[scanned...].firstIndex(of: UInt8(ascii: "\n")) {
            let line = Array(buffer[..<end])
            buffer.removeSubrange(...end)
            scanned = 0
            return answer(line, context)
        }
        scanned = buffer.count
        guard !inputHasEnded, buffer.count <= Self.lineLimit else { return context.close(promise: nil) }
        context.read()
    }

    private func answer(_ line: [UInt8], _ context: ChannelHandlerContext) {
        isAnswering = true
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        let loop = context.eventLoop
        dispatcher.answer(dispatcher.read(line), from: .init(peer: peer)) { reply in
            loop.execute { me.value.deliver(reply) }
        }
    }

    private func deliver(_ reply: [UInt8]) {
        isAnswering = false
        guard let context else { return }
        let line = context.channel.allocator.buffer(bytes: reply + [UInt8(ascii: "\n")])
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.whenComplete { _ in me.value.proceed() }
        context.writeAndFlush(wrapOutboundOut(line), promise: written)
    }

    /// Hangs up once the request under way is answered.
    func finish() {
        isFinishing = true
        proceed()
    }
}
