import FFSModel
import SystemSupport

/// What a queue of hash jobs may hold.
struct HashQueueLimits: Sendable {
    /// Jobs that wait, all sources together.
    var depth: Int
    /// Jobs of one source that wait: the rest of the queue is for others when one floods.
    var perSource: Int
    /// Operators' jobs that wait; theirs go first and have room of their own, so that a flood of sign-ins
    /// cannot keep an operator from setting a password.
    var operators: Int

    init(depth: Int) {
        self.depth = depth
        perSource = max(1, depth / 2)
        operators = 16
    }
}

/// Threads of their own for work that takes a processor for tens of milliseconds, fed from a bounded queue.
///
/// Neither Swift's cooperative pool nor an event loop ever hashes: a flood of sign-ins fills this queue,
/// is told `busy`, and every other request goes on. The threads run at a lower priority for the same reason.
final class HashThreads: Sendable {
    /// Who asks: a customer's network source, or an operator.
    enum Lane: Sendable, Hashable {
        case source(SourceKey)
        case operators
    }

    typealias Work = @Sendable (inout CryptContext) -> Void

    private struct Job {
        let lane: Lane
        let work: Work
        let refuse: @Sendable (Failure) -> Void
    }

    private struct State {
        var waiting: [Job] = []
        /// Index of the first job that still waits; the ones before are done.
        var head = 0
        var operators: [Job] = []
        var perSource: [Lane: Int] = [:]
        var stopping = false

        var count: Int { waiting.count - head }

        mutating func next() -> Job? {
            if !operators.isEmpty { return operators.removeFirst() }
            guard head < waiting.count else { return nil }
            let job = waiting[head]
            head += 1
            if head >= 64, head * 2 >= waiting.count {
                waiting.removeFirst(head)
                head = 0
            }
            if let left = perSource[job.lane] { perSource[job.lane] = left > 1 ? left - 1 : nil }
            return job
        }
    }

    private let limits: HashQueueLimits
    private let threads: Int
    private let state = Monitor(State())

    init(threads: Int, limits: HashQueueLimits) {
        self.threads = threads
        self.limits = limits
    }

    /// Starts the threads; they keep `self` alive until ``stop()``.
    func start() throws(Failure) {
        do {
            for number in 1...threads { try SystemThread(name: "hash \(number)") { self.runThread() }.detach() }
        } catch {
            stop()
            throw error.failure("cannot start a thread for password hashes")
        }
    }

    /// How many jobs wait now.
    var depth: Int { state.withLock { $0.count + $0.operators.count } }

    /// Queues `work`, or throws `busy` with a time after which the queue will have moved on. Exactly one of
    /// `work` and `refuse` is called once this has returned.
    func submit(
        _ lane: Lane, work: @escaping Work, refuse: @escaping @Sendable (Failure) -> Void
    ) throws(Failure) {
        try state.withLock(wake: .one) { state throws(Failure) in
            if state.stopping { throw Self.draining }
            let job = Job(lane: lane, work: work, refuse: refuse)
            if case .operators = lane {
                guard state.operators.count < limits.operators else { throw busy(state.operators.count) }
                state.operators.append(job)
                return
            }
            let ofSource = state.perSource[lane, default: 0]
            guard state.count < limits.depth, ofSource < limits.perSource else { throw busy(state.count) }
            state.perSource[lane] = ofSource + 1
            state.waiting.append(job)
        }
    }

    /// Refuses what waits with `draining` and lets the threads end.
    func stop() {
        let abandoned = state.withLock(wake: .all) { state -> [Job] in
            let jobs = state.operators + state.waiting[state.head...]
            state = State()
            state.stopping = true
            return jobs
        }
        for job in abandoned { job.refuse(Self.draining) }
    }

    private static let draining = Failure(.draining, "the daemon is stopping; sign in again in a moment", retryAfter: 2)

    /// Twenty milliseconds a job is crypt(5)'s default cost; the answer need not be better than a guess.
    private func busy(_ waiting: Int) -> Failure {
        Failure(
            .busy, "too many sign-ins at once; try again in a moment",
            retryAfter: max(1, waiting / max(1, threads * 50) + 1))
    }

    private enum Next {
        case job(Job)
        case end
    }

    private func runThread() {
        SystemThread.yieldPriority(niceness: 5)
        var context = CryptContext()
        while true {
            let next = state.wait { state -> Next? in
                if let job = state.next() { return .job(job) }
                return state.stopping ? .end : nil
            }
            switch next {
            case .job(let job): job.work(&context)
            case .end: return
            }
        }
    }
}
