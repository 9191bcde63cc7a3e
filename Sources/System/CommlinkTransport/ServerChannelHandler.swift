import Commlink
import FFSModel
import Logging
import NIOCore
import SystemSupport

/// Joins one accepted socket to a ``ServerConnection`` and a ``RequestDispatcher``. Lives on its event loop.
///
///     serving ──bad hello──▶ refusing ──delay──▶ closed
///        └──close, SIGTERM, key retired──▶ finishing ──last reply──▶ lingering ──end of stream──▶ closed
///
/// Reading is by hand: it stops while as many requests are being answered as the connection may have, and while the
/// peer does not take its replies, so a peer's appetite never becomes this process's memory.
final class ServerChannelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        case serving
        /// Silent until the delay is over.
        case refusing
        /// Takes no more requests; replies are still to come.
        case finishing
        /// Close is sent and the sending side shut; what still arrives is discarded, so that no reset overtakes
        /// the last replies.
        case lingering
        case closed
    }

    private let owner: CommlinkServer
    private let peer: String
    private var connection: ServerConnection
    private var random = SystemRandomNumberGenerator()
    private var context: ChannelHandlerContext?
    private let born = NIODeadline.now()
    private var phase = Phase.serving
    /// Whether a packet has verified: not before is the peer more than a stranger.
    private var isProven = false
    /// Requests whose reply is not sent yet.
    private var pending = 0
    /// Questions that may wait, and do.
    private var waits: [UInt64: Task<Void, Never>?] = [:]
    private var waitCount: UInt64 = 0
    /// Whether the peer has shut its sending side.
    private var inputHasEnded = false
    /// Packets not yet written: all replies of one turn of the loop go out in one write.
    private var output: [UInt8] = []
    private var flushIsScheduled = false
    private var timer: Scheduled<Void>?
    /// When bytes last came: what the delay of a refusal counts from, so that it hides how long the check took.
    private var lastRead = NIODeadline.now()
    /// Since when the peer has not taken what is written to it.
    private var stuckSince: NIODeadline?

    /// How long a peer has to take its last replies and hang up.
    private static let lingerSeconds = 5

    init(owner: CommlinkServer, peer: String, peerPort: UInt16) {
        self.owner = owner
        self.peer = peer
        connection = ServerConnection(
            peerPort: peerPort, portCheck: owner.settings.portCheck, documentLimit: owner.settings.documentSize)
    }

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        startTimer(seconds: owner.settings.helloTimeout, context)
        context.read()
    }

    func channelInactive(context: ChannelHandlerContext) {
        if phase == .serving { noteEnd() }
        phase = .closed
        cancelWaits()
        timer?.cancel()
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard phase == .serving else { return }
        lastRead = .now()
        unwrapInboundIn(data).withUnsafeReadableBytes { connection.receive($0) }
    }

    func channelReadComplete(context: ChannelHandlerContext) { proceed(context) }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        stuckSince = context.channel.isWritable ? nil : .now()
        proceed(context)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            inputHasEnded = true
            proceed(context)
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A reset is how some peers hang up; a reply that is then lost is remembered for the repeat.
        owner.logger.debug("connection failed", metadata: ["peer": "\(peer)", "reason": "\(error)"])
        close(context)
    }

    // MARK: Requests

    private func mayTakeRequest(_ context: ChannelHandlerContext) -> Bool {
        phase == .serving && pending < owner.settings.requestsPerConnection && context.channel.isWritable
    }

    /// Acts on every event that the bytes so far give, then asks for more.
    private func proceed(_ context: ChannelHandlerContext) {
        do {
            while mayTakeRequest(context),
                let event = try connection.next(
                    ring: owner.bags.bags, now: SystemClock.now().seconds, random: &random)
            {
                act(on: event, context)
            }
        } catch { return refuse(error, context) }
        switch phase {
        case .serving:
            guard mayTakeRequest(context) else { return stopTimer() }
            if inputHasEnded {
                noteEnd()
                return close(context)
            }
            watchProgress(context)
            context.read()
        case .lingering:
            if inputHasEnded { close(context) } else { context.read() }
        case .refusing, .finishing, .closed: break
        }
    }

    private func act(on event: ServerConnection.Event, _ context: ChannelHandlerContext) {
        switch event {
        case .greeted(let hello):
            guard owner.mayGreet(peer) else { return close(context) }
            // The hello's timer runs on: the hello may be a replay, and only the first packet proves it is not.
            output.append(contentsOf: hello)
            scheduleFlush(context)
            owner.opened()
        case .document(let document):
            if !isProven {
                guard owner.prove(context.channel) else { return close(context) }
                isProven = true
            }
            answer(document, context)
        case .closed: finish()
        }
    }

    private func answer(_ document: [UInt8], _ context: ChannelHandlerContext) {
        let arrival = owner.dispatcher.read(document)
        guard !arrival.mayWait else { return wait(arrival, context) }
        pending += 1
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        let loop = context.eventLoop
        owner.dispatcher.answer(arrival, from: caller) { reply in
            if loop.inEventLoop { me.value.deliver(reply) } else { loop.execute { me.value.deliver(reply) } }
        }
    }

    private var caller: RequestDispatcher.Caller { .init(peer: peer, node: owner.bags.sender(connection.node)) }

    private func wait(_ arrival: RequestDispatcher.Arrival, _ context: ChannelHandlerContext) {
        guard waits.count < owner.settings.waitsPerConnection else {
            return send(owner.dispatcher.busy(arrival), context)
        }
        waitCount += 1
        let number = waitCount
        waits.updateValue(nil, forKey: number)
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        let loop = context.eventLoop
        let task = owner.dispatcher.answer(arrival, from: caller) { reply in
            // Never before the task is noted.
            loop.execute { me.value.deliver(reply, toWait: number) }
        }
        waits.updateValue(task, forKey: number)
    }

    private func deliver(_ reply: [UInt8], toWait number: UInt64) {
        guard waits.removeValue(forKey: number) != nil, let context else { return }
        guard phase == .serving || phase == .finishing else { return }
        send(reply, context)
    }

    /// Nobody hears the answers: whoever asked does so again elsewhere.
    private func cancelWaits() {
        let ended = waits
        waits = [:]
        for task in ended.values { task?.cancel() }
    }

    private func send(_ reply: [UInt8], _ context: ChannelHandlerContext) {
        do { try connection.send(reply, random: &random, into: &output) } catch { return refuse(error, context) }
        scheduleFlush(context)
    }

    private func deliver(_ reply: [UInt8]) {
        pending -= 1
        guard let context, phase == .serving || phase == .finishing else { return }
        send(reply, context)
        finishIfIdle(context)
        // A full connection has requests waiting in its buffer.
        if pending == owner.settings.requestsPerConnection - 1 { proceed(context) }
    }

    // MARK: Output

    private func scheduleFlush(_ context: ChannelHandlerContext) {
        guard !flushIsScheduled else { return }
        flushIsScheduled = true
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.execute { me.value.flush(promise: nil) }
    }

    private func flush(promise: EventLoopPromise<Void>?) {
        flushIsScheduled = false
        guard let context, phase != .closed, !output.isEmpty else {
            promise?.succeed()
            return
        }
        context.writeAndFlush(wrapOutboundOut(context.channel.allocator.buffer(bytes: output)), promise: promise)
        output.removeAll(keepingCapacity: output.capacity <= 1 << 16)
    }

    // MARK: Ends

    /// Takes no more requests, answers those it has, says close and hangs up: after the peer's close, on SIGTERM,
    /// and when the connection's key is retired.
    func finish() {
        guard phase == .serving, let context else { return }
        guard connection.bag != nil else { return close(context) }
        phase = .finishing
        stopTimer()
        cancelWaits()
        finishIfIdle(context)
    }

    private func finishIfIdle(_ context: ChannelHandlerContext) {
        guard phase == .finishing, pending == 0 else { return }
        do { try connection.sendClose(random: &random, into: &output) } catch { return close(context) }
        let written = context.eventLoop.makePromise(of: Void.self)
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        written.futureResult.whenComplete { _ in me.value.linger() }
        flush(promise: written)
    }

    private func linger() {
        guard phase == .finishing, let context else { return }
        guard !inputHasEnded else { return close(context) }
        phase = .lingering
        context.close(mode: .output, promise: nil)
        startTimer(seconds: Self.lingerSeconds, context)
        context.read()
    }

    /// Ends a connection that is older than any client keeps it, whose bag is no longer live, or whose peer does not
    /// take its replies.
    func sweep() {
        if let stuckSince, let context, NIODeadline.now() - stuckSince > .seconds(Int64(owner.settings.progressTimeout))
        {
            owner.count(refused: .timeout, peer: peer, level: .notice)
            return close(context)
        }
        if NIODeadline.now() - born > .seconds(Int64(CommlinkLimits.secondsHard)) { finish() }
        if let bag = connection.bag, owner.bags.bags.bag(bag, now: SystemClock.now().seconds) == nil { finish() }
    }

    /// The stream ended while it was being served: worth a line in the log when something was cut off.
    private func noteEnd() {
        guard !connection.isGreeting else { return }
        do { try connection.end() } catch { owner.count(refused: error, peer: peer, level: .info) }
    }

    private func refuse(_ error: WireError, _ context: ChannelHandlerContext) {
        guard phase == .serving || phase == .finishing else { return close(context) }
        owner.count(refused: error, peer: peer, level: .notice)
        guard error.isHandshakeRefusal, connection.bag == nil else { return close(context) }
        // The same silence for every reason, so that nobody learns which bags, ports or keys exist.
        phase = .refusing
        stopTimer()
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(deadline: lastRead + .milliseconds(Int64(owner.settings.refusalDelay))) {
            if let context = me.value.context { me.value.close(context) }
        }
    }

    private func close(_ context: ChannelHandlerContext) {
        guard phase != .closed else { return }
        phase = .closed
        stopTimer()
        cancelWaits()
        context.close(promise: nil)
    }

    // MARK: Time

    /// Runs a timer while a line or a document is unfinished. Before the first packet it is the hello's.
    private func watchProgress(_ context: ChannelHandlerContext) {
        guard connection.packetsReceived > 0 else { return }
        if !connection.isWaitingForMore {
            stopTimer()
        } else if timer == nil {
            startTimer(seconds: owner.settings.progressTimeout, context)
        }
    }

    private func startTimer(seconds: Int, _ context: ChannelHandlerContext) {
        stopTimer()
        let received = connection.packetsReceived
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(in: .seconds(Int64(seconds))) { me.value.timerFired(received) }
    }

    private func timerFired(_ received: UInt64) {
        timer = nil
        guard let context else { return }
        // Whole packets have come since; the unfinished one is another.
        if phase == .serving, connection.packetsReceived > received { return watchProgress(context) }
        refuse(.timeout, context)
    }

    private func stopTimer() {
        timer?.cancel()
        timer = nil
    }
}
