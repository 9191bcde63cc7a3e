import NIOCore
import NIOPosix

/// The loop that a connection's answers run on: ours for HTTP/1.1, SwiftNIO's for HTTP/2. Used on its thread alone.
protocol AnswerLoop: AnyObject {
    /// Calls `body` after so many nanoseconds.
    func after(_ nanoseconds: Int64, _ body: @escaping () -> Void)
    /// Calls `body` when what is at hand is done.
    func soon(_ body: @escaping () -> Void)
    /// Has any thread call something on this loop.
    var fromElsewhere: @Sendable (@escaping @Sendable () -> Void) -> Void { get }
    /// Has a thread that may wait for a disk do `work`, then calls `done`; with nil when that failed.
    func away<Result: Sendable>(
        _ work: @escaping @Sendable () throws -> Result, _ done: @escaping (Result?) -> Void)
}

/// SwiftNIO's.
final class ChannelLoop: AnswerLoop {
    private let loop: any NIOCore.EventLoop
    private let pool: NIOThreadPool

    init(_ loop: any NIOCore.EventLoop, _ pool: NIOThreadPool) {
        self.loop = loop
        self.pool = pool
    }

    var fromElsewhere: @Sendable (@escaping @Sendable () -> Void) -> Void {
        { [loop] body in loop.execute(body) }
    }

    func after(_ nanoseconds: Int64, _ body: @escaping () -> Void) {
        let bound = NIOLoopBound(body, eventLoop: loop)
        loop.scheduleTask(in: .nanoseconds(nanoseconds)) { bound.value() }
    }

    func soon(_ body: @escaping () -> Void) {
        let bound = NIOLoopBound(body, eventLoop: loop)
        loop.execute { bound.value() }
    }

    func away<Result: Sendable>(
        _ work: @escaping @Sendable () throws -> Result, _ done: @escaping (Result?) -> Void
    ) {
        let bound = NIOLoopBound(done, eventLoop: loop)
        pool.runIfActive(eventLoop: loop, work).whenComplete { result in bound.value(try? result.get())
        }
    }
}

/// Ours.
final class SocketLoop: AnswerLoop {
    private unowned let loop: PollLoop
    private let pool: NIOThreadPool
    private var waiting: [() -> Void] = []

    init(_ loop: PollLoop, _ pool: NIOThreadPool) {
        self.loop = loop
        self.pool = pool
        loop.beforeSleep = { [unowned self] in runWaiting() }
    }

    private func runWaiting() {
        guard !waiting.isEmpty else { return }
        let due = waiting
        waiting = []
        for body in due { body() }
    }

    var fromElsewhere: @Sendable (@escaping @Sendable () -> Void) -> Void {
        { [mailbox = loop.mailbox] body in mailbox.post { _ in body() } }
    }

    private final class Alarm: PollLoop.Source {
        private let body: () -> Void
        private unowned let loop: PollLoop

        init(_ loop: PollLoop, _ body: @escaping () -> Void) {
            self.loop = loop
            self.body = body
        }

        override func woken() {
            loop.remove(self)
            body()
        }
    }

    func after(_ nanoseconds: Int64, _ body: @escaping () -> Void) {
        let alarm = Alarm(loop, body)
        // With nothing to poll this cannot fail.
        try? loop.add(alarm, -1, [])
        loop.wake(alarm, after: nanoseconds)
    }

    func soon(_ body: @escaping () -> Void) { waiting.append(body) }

    func away<Result: Sendable>(
        _ work: @escaping @Sendable () throws -> Result, _ done: @escaping (Result?) -> Void
    ) {
        let home = loop.mailbox
        let done = Handoff(done)
        pool.submit { state in
            let result: Result? = if case .active = state { try? work() } else { nil }
            home.post { _ in done.value(result) }
        }
    }
}
