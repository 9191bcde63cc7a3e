import DequeModule
import FFSModel
import SystemSupport

/// The building threads and what they have to do: short tasks first, chunks of large trees in between, so that
/// neither a flood of small accounts nor one of a million files keeps the other waiting.
final class BuildScheduler: Sendable {
    typealias Task = @Sendable () -> Void

    private struct State {
        var urgent = Deque<Task>()
        var bulk = Deque<Task>()
        /// Urgent tasks taken since a bulk one.
        var urgentInARow = 0
        var isStopping = false
        var running = 0
        /// Tasks that threads have taken so far.
        var taken: UInt64 = 0
    }

    private let state = Monitor(State())
    /// Urgent tasks that may wait.
    private let limit: Int
    /// After so many urgent tasks in a row a bulk one gets its turn.
    private static let fairness = 8

    /// - Parameter name: the threads', at most 12 bytes.
    init(threads: Int, limit: Int, name: String) throws(Failure) {
        self.limit = limit
        state.withLock { $0.running = threads }
        for number in 0..<threads {
            do { try SystemThread(name: "\(name)-\(number)") { [self] in work() }.detach() } catch {
                throw error.failure("cannot start a thread for \(name)")
            }
        }
    }

    private func work() {
        while let task = next() { task() }
        state.withLock(wake: .all) { $0.running -= 1 }
    }

    private func next() -> Task? {
        state.wait { state -> Task?? in
            if state.urgentInARow >= Self.fairness || state.urgent.isEmpty, let task = state.bulk.popFirst() {
                state.urgentInARow = 0
                state.taken &+= 1
                return .some(task)
            }
            if let task = state.urgent.popFirst() {
                state.urgentInARow += 1
                state.taken &+= 1
                return .some(task)
            }
            return state.isStopping ? .some(nil) : nil
        }
    }

    /// Tasks that no thread has taken yet.
    var waiting: Int { state.withLock { $0.urgent.count + $0.bulk.count } }

    /// Tasks taken so far, and whether none waits: either shows that the threads do not hang.
    var progress: (taken: UInt64, isIdle: Bool) {
        state.withLock { ($0.taken, $0.urgent.isEmpty && $0.bulk.isEmpty) }
    }

    /// Queues a short task.
    ///
    /// - Throws: `busy` when the queue is full, `draining` when the daemon stops.
    func urgent(_ task: @escaping Task) throws(Failure) {
        try state.withLock(wake: .one) { state throws(Failure) in
            guard !state.isStopping else {
                throw Failure(
                    .draining, "ffsstaged is stopping; another instance, or this one a little later, will do it")
            }
            guard state.urgent.count < limit else {
                throw Failure(
                    .busy, "\(limit) requests wait for ffsstaged already; repeat this one in a second", retryAfter: 1)
            }
            state.urgent.append(task)
        }
    }

    /// Queues parts of work that was admitted before.
    func bulk(_ tasks: [Task]) {
        state.withLock(wake: .all) { state in for task in tasks { state.bulk.append(task) } }
    }

    /// Runs `body` on a building thread.
    func run<Value: Sendable>(_ body: @escaping @Sendable () throws(Failure) -> Value) async throws(Failure) -> Value {
        let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
            do throws(Failure) {
                try urgent {
                    do throws(Failure) { continuation.resume(returning: .success(try body())) } catch {
                        continuation.resume(returning: .failure(error))
                    }
                }
            } catch { continuation.resume(returning: .failure(error)) }
        }
        return try result.get()
    }

    /// Refuses new tasks, finishes those queued and returns when all threads have ended.
    func stop() {
        state.withLock(wake: .all) { $0.isStopping = true }
        _ = state.wait { $0.running == 0 ? true : nil }
    }
}
