package import ChangeFeed
import FFSModel
import Logging
import Synchronization

/// Where the change feed and the outbox end.
package struct LogEnds: Sendable, Hashable {
    package let feed: FeedPosition
    /// The newest event's number, 0 before the first.
    package let outbox: Int

    package init(feed: FeedPosition, outbox: Int) {
        self.feed = feed
        self.outbox = outbox
    }
}

/// Lets requests wait until something is committed. SQL that others run notifies nobody, so the ends are looked at every 25 ms;
/// what this process commits is looked at right away.
///
/// Whoever waits takes ``mark`` first, then reads, then waits past the mark: what is committed after the reading wakes it.
package final class CommitWatch: Sendable {
    /// Between two looks.
    static let interval = Duration.milliseconds(25)
    /// Requests that may wait at once.
    static let mostWaiters = 4_096

    /// What a request waits for.
    enum Subject { case feed, outbox }

    private struct Waiter {
        let continuation: CheckedContinuation<Void, Never>
        let deadline: Int64
        let subject: Subject
        let mark: LogEnds?

        func isMet(by ends: LogEnds?) -> Bool { CommitWatch.differ(ends, mark, in: subject) }
    }

    private struct State {
        var ends: LogEnds?
        var waiters: [Int: Waiter] = [:]
        var last = 0
        var hasStopped = false
        var isFailing = false
    }

    private let state = Mutex(State())
    private let database: any MasterDatabase
    private let logger: Logger
    /// Nanoseconds of a clock that nobody sets.
    let steady: @Sendable () -> Int64

    init(_ database: any MasterDatabase, logger: Logger, steady: @escaping @Sendable () -> Int64) {
        self.database = database
        self.logger = logger
        self.steady = steady
    }

    /// What is known of the ends; to be taken before a reading.
    var mark: LogEnds? { state.withLock { $0.ends } }

    /// Whether nobody is to wait any more.
    var hasStopped: Bool { state.withLock { $0.hasStopped } }

    /// Requests that wait.
    var waiting: Int { state.withLock { $0.waiters.count } }

    private static func differ(_ a: LogEnds?, _ b: LogEnds?, in subject: Subject) -> Bool {
        switch subject {
        case .feed: a?.feed != b?.feed
        case .outbox: a?.outbox != b?.outbox
        }
    }

    /// Names one wait.
    func ticket() -> Int {
        state.withLock { state in
            state.last += 1
            return state.last
        }
    }

    /// Waits until the subject's end is another than `mark` has, at most until `deadline`. Throws `busy` when too many wait.
    func wait(_ id: Int, for subject: Subject, past mark: LogEnds?, until deadline: Int64) async throws {
        let isFull = await withTaskCancellationHandler {
            var isFull = false
            await withCheckedContinuation { continuation in
                let waits = state.withLock { state -> Bool in
                    guard !state.hasStopped, !Self.differ(state.ends, mark, in: subject), !Task.isCancelled,
                        deadline > steady()
                    else { return false }
                    guard state.waiters.count < Self.mostWaiters else {
                        isFull = true
                        return false
                    }
                    state.waiters[id] = Waiter(
                        continuation: continuation, deadline: deadline, subject: subject, mark: mark)
                    return true
                }
                if !waits { continuation.resume() }
            }
            return isFull
        } onCancel: {
            wake(id)
        }
        guard !isFull else {
            throw Failure(.busy, "\(Self.mostWaiters) requests wait for changes already; try again", retryAfter: 1)
        }
    }

    /// Ends one wait.
    func wake(_ id: Int) { state.withLock { $0.waiters.removeValue(forKey: id) }?.continuation.resume() }

    /// Looks at the ends; wakes who waited for others, and who has waited long enough.
    func look() async {
        var ends: LogEnds?
        do {
            ends = try await database.ends()
            if state.withLock({ state in
                defer { state.isFailing = false }; return state.isFailing
            }) {
                logger.notice("the master database's ends can be read again")
            }
        } catch {
            let isNew = state.withLock { state in
                defer { state.isFailing = true }
                return !state.isFailing && !state.hasStopped
            }
            if isNew { logger.error("the master database's ends cannot be read: \(error)") }
        }
        let now = steady()
        let due = state.withLock { [ends] state -> [Waiter] in
            if let ends { state.ends = ends }
            let due = state.waiters.filter { $0.value.deadline <= now || $0.value.isMet(by: state.ends) }
            for id in due.keys { state.waiters[id] = nil }
            return Array(due.values)
        }
        for waiter in due { waiter.continuation.resume() }
    }

    /// Looks again and again until the task is cancelled.
    package func run() async {
        while !Task.isCancelled {
            await look()
            try? await Task.sleep(for: Self.interval)
        }
    }

    /// Ends every wait; nobody waits any more.
    package func stop() {
        let waiters = state.withLock { state in
            state.hasStopped = true
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.continuation.resume() }
    }
}

/// A database whose commits are looked at right away.
struct WatchedDatabase: MasterDatabase {
    let base: any MasterDatabase
    let watch: CommitWatch

    func read<Value: Sendable>(
        _ body: @escaping @Sendable (any MasterReading) throws -> Value
    ) async throws -> Value { try await base.read(body) }

    func write<Value: Sendable>(
        _ body: @escaping @Sendable (any MasterWriting) throws -> Value
    ) async throws -> Value {
        let value = try await base.write(body)
        Task { await watch.look() }
        return value
    }

    func ends() async throws -> LogEnds { try await base.ends() }
    func close() async throws { try await base.close() }
}
