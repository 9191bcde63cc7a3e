import Commlink
import FFSModel
import NIOCore
import Synchronization
import Tobj

/// Joins one connected socket to a ``ClientConnection``. Lives on its event loop.
///
///     greeting ──server's hello──▶ open ──retire──▶ draining ──last reply──▶ closing ──▶ closed
final class ClientChannelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// A request whose reply is awaited.
    struct Waiter {
        let ticket: Int
        let deadline: NIODeadline
        /// Called exactly once.
        let resume: @Sendable (Result<Document, LinkFailure>) -> Void
    }

    private enum Phase {
        case connecting
        case greeting
        case open
        /// Retired: no more requests.
        case draining
        case closed
    }

    /// The outcome of the handshake, a ``LinkFailure`` if it failed.
    let opened: EventLoopPromise<Void>
    let status = ClientLinkStatus()
    private let bag: KeyBag
    private let settings: CommlinkSettings
    private let limits: TobjLimits
    private var phase = Phase.connecting
    private var greetedAt = NIODeadline.uptimeNanoseconds(0)
    /// From `greeting` on.
    private var connection: ClientConnection?
    private var random = SystemRandomNumberGenerator()
    private var context: ChannelHandlerContext?
    /// By id; more than one only when the same request was sent again while under way.
    private var waiting: [RequestID: [Waiter]] = [:]
    private var output: [UInt8] = []
    private var flushIsScheduled = false
    private var helloTimer: Scheduled<Void>?
    private var clock: RepeatedTask?
    /// Packets received when the clock last ticked on an unfinished line, and the ticks since.
    private var stalled: (received: UInt64, seconds: Int)?

    init(bag: KeyBag, settings: CommlinkSettings, opened: EventLoopPromise<Void>) {
        self.bag = bag
        self.settings = settings
        self.opened = opened
        var limits = TobjLimits()
        limits.size = settings.documentSize
        self.limits = limits
    }

    // MARK: Channel

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        guard let port = context.localAddress?.port.flatMap(UInt16.init(exactly:)) else {
            return fail(.connect("the connection has no local port"))
        }
        do {
            let (connection, hello) = try ClientConnection.start(
                bag: bag, localPort: port, documentLimit: settings.documentSize, random: &random)
            phase = .greeting
            greetedAt = .now()
            self.connection = connection
            output = hello
            flush()
        } catch { return fail(.lost("\(error)")) }
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        helloTimer = context.eventLoop.scheduleTask(in: .seconds(Int64(settings.helloTimeout))) {
            me.value.fail(.silent)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard phase != .closed else { return }
        unwrapInboundIn(data).withUnsafeReadableBytes { connection?.receive($0) }
        do { while let event = try next() { act(on: event, context) } } catch { fail(.lost("\(error)")) }
    }

    /// A refusal of the key comes after half a second (ffs-commlink(7)); a server that is full, or stopping, hangs up at
    /// once.
    private var hangUp: LinkFailure {
        NIODeadline.now() - greetedAt < .milliseconds(Int64(settings.refusalDelay / 2)) ? .turnedAway : .refused
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail(phase == .greeting ? hangUp : .lost("the server ended the connection"))
        self.context = nil
    }

    /// Also for a channel that never became active.
    func handlerRemoved(context: ChannelHandlerContext) { fail(.lost("the connection was not made")) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A reset in answer to the hello is a refusal too.
        fail(phase == .greeting ? hangUp : .lost("\(error)"))
    }

    private func next() throws(WireError) -> ClientConnection.Event? {
        guard phase != .closed else { return nil }
        let event = try connection?.next()
        countPackets()
        return event ?? nil
    }

    private func countPackets() {
        status.packets.store(Int(clamping: connection?.packetCount ?? 0), ordering: .relaxed)
    }

    private func act(on event: ClientConnection.Event, _ context: ChannelHandlerContext) {
        switch event {
        case .opened:
            helloTimer?.cancel()
            phase = .open
            startClock(context)
            opened.succeed()
        case .document(let bytes): deliver(bytes)
        case .closed:
            status.isOpen.store(false, ordering: .relaxed)
            sayClose()
            fail(.lost("the server closed the connection"))
        }
    }

    // MARK: Requests

    func submit(_ request: [UInt8], id: RequestID, _ waiter: Waiter) {
        guard let context, phase == .open else {
            return waiter.resume(.failure(.lost("the connection was retired")))
        }
        do {
            try connection?.send(request, random: &random, into: &output)
            countPackets()
        } catch { return waiter.resume(.failure(.lost("\(error)"))) }
        waiting[id, default: []].append(waiter)
        guard !flushIsScheduled else { return }
        flushIsScheduled = true
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.execute { me.value.flush() }
    }

    /// The caller's task was cancelled; a reply that comes nevertheless is ignored.
    func cancel(_ ticket: Int, id: RequestID) {
        guard let index = waiting[id]?.firstIndex(where: { $0.ticket == ticket }) else { return }
        waiting[id]?.remove(at: index).resume(.failure(.cancelled))
        forgetIfAnswered(id)
    }

    private func deliver(_ bytes: [UInt8]) {
        let reply: Document
        do {
            reply = try Document(bytes: bytes, limits: limits)
        } catch { return fail(.lost("the server sent a reply that is not Tobj: \(error)")) }
        // None: its caller has given up meanwhile.
        guard let waiter = waiting[reply.id]?.first else { return }
        waiting[reply.id]?.removeFirst()
        waiter.resume(.success(reply))
        forgetIfAnswered(reply.id)
    }

    private func forgetIfAnswered(_ id: RequestID) {
        if waiting[id]?.isEmpty == true { waiting[id] = nil }
        finishIfIdle()
    }

    // MARK: Ends

    func retire() {
        guard phase == .open else { return }
        phase = .draining
        finishIfIdle()
    }

    private func finishIfIdle() {
        guard phase == .draining, waiting.isEmpty else { return }
        sayClose()
        fail(.lost("the connection was retired"))
    }

    private func sayClose() {
        // When it cannot be said, hanging up says it too.
        try? connection?.sendClose(random: &random, into: &output)
        flush()
    }

    private func flush() {
        flushIsScheduled = false
        guard let context, !output.isEmpty else { return }
        context.writeAndFlush(wrapOutboundOut(context.channel.allocator.buffer(bytes: output)), promise: nil)
        output.removeAll(keepingCapacity: output.capacity <= 1 << 16)
    }

    /// Ends the connection and gives `failure` to everyone who waits.
    private func fail(_ failure: LinkFailure) {
        guard phase != .closed else { return }
        phase = .closed
        status.isOpen.store(false, ordering: .relaxed)
        helloTimer?.cancel()
        clock?.cancel()
        // Of no effect once the handshake has succeeded.
        opened.fail(failure)
        let abandoned = waiting
        waiting = [:]
        for waiter in abandoned.values.joined() { waiter.resume(.failure(failure)) }
        context?.close(promise: nil)
    }

    // MARK: Time

    private func startClock(_ context: ChannelHandlerContext) {
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        clock = context.eventLoop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in
            me.value.tick()
        }
    }

    /// Every second: gives up on replies that are overdue, and on a line that makes no progress.
    private func tick() {
        let now = NIODeadline.now()
        for (id, waiters) in waiting where waiters.contains(where: { $0.deadline <= now }) {
            waiting[id] = waiters.filter { $0.deadline > now }
            for waiter in waiters where waiter.deadline <= now { waiter.resume(.failure(.timeout)) }
            forgetIfAnswered(id)
        }
        guard let connection, connection.isWaitingForMore else {
            stalled = nil
            return
        }
        let received = connection.packetsReceived
        guard let before = stalled, before.received == received else {
            stalled = (received, 0)
            return
        }
        stalled = (received, before.seconds + 1)
        if before.seconds >= settings.progressTimeout { fail(.lost("\(WireError.timeout)")) }
    }
}
