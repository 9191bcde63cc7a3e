import DequeModule
import FFSModel
import SystemSupport

/// What a queue of hash jobs may hold.
struct HashQueueLimits: Sendable {
    /// Sign-ins that wait, of all sources together; as many again of known ones.
    var depth: Int
    /// Sign-ins of one source that wait: the rest of the queue is for others when one floods.
    var perSource: Int
    /// Operators' jobs that wait.
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
///
/// Three lanes keep a flood from shutting out those it is not made of: operators' jobs go first, and customers who
/// have signed in from the same source before take turns with everybody else. Within a lane, sources take turns.
final class HashThreads: Sendable {
    /// Who asks.
    enum Lane: Sendable, Hashable {
        case source(SourceKey)
        /// A source from which this customer has signed in before.
        case known(SourceKey)
        case operators
    }

    typealias Work = @Sendable (inout CryptContext) -> Void

    private struct Job {
        let lane: Lane
        let work: Work
        let refuse: @Sendable (Failure) -> Void
    }

    private struct State {
        var others = FairQueue<SourceKey, Job>()
        var known = FairQueue<SourceKey, Job>()
        var operators: Deque<Job> = []
        var turnOfKnown = true
        var stopping = false
        /// Jobs that threads have taken so far.
        var taken: UInt64 = 0

        var count: Int { others.count + known.count + operators.count }

        mutating func next() -> Job? {
            if let job = operators.popFirst() { return job }
            turnOfKnown.toggle()
            return turnOfKnown
                ? known.popFirst() ?? others.popFirst() : others.popFirst() ?? known.popFirst()
        }

        /// False when the lane has no place for `job`.
        mutating func append(_ job: Job, _ limits: HashQueueLimits) -> Bool {
            switch job.lane {
            case .operators:
                guard operators.count < limits.operators else { return false }
                operators.append(job)
                return true
            case .source(let source): return Self.append(job, of: source, to: &others, limits)
            case .known(let source): return Self.append(job, of: source, to: &known, limits)
            }
        }

        private static func append(
            _ job: Job, of source: SourceKey, to queue: inout FairQueue<SourceKey, Job>, _ limits: HashQueueLimits
        ) -> Bool {
            guard queue.count < limits.depth, queue.count(of: source) < limits.perSource else { return false }
            queue.append(job, of: source)
            return true
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
    var depth: Int { state.withLock { $0.count } }

    /// Jobs taken so far, and whether none waits: either shows that the threads do not hang.
    var progress: (taken: UInt64, isIdle: Bool) { state.withLock { ($0.taken, $0.count == 0) } }

    /// Queues `work`, or throws `busy` with a time after which the queue will have moved on. Exactly one of
    /// `work` and `refuse` is called once this has returned.
    func submit(
        _ lane: Lane, work: @escaping Work, refuse: @escaping @Sendable (Failure) -> Void
    ) throws(Failure) {
        try state.withLock(wake: .one) { state throws(Failure) in
            if state.stopping { throw Self.draining }
            guard state.append(Job(lane: lane, work: work, refuse: refuse), limits) else { throw busy(state.count) }
        }
    }

    /// Refuses what waits with `draining` and lets the threads end.
    func stop() {
        let abandoned = state.withLock(wake: .all) { state -> [Job] in
            let jobs =
                Array(state.operators) + state.known.removeAll { _ in true } + state.others.removeAll { _ in true }
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
                if let job = state.next() {
                    state.taken &+= 1
                    return .job(job)
                }
                return state.stopping ? .end : nil
            }
            switch next {
            case .job(let job): job.work(&context)
            case .end: return
            }
        }
    }
}
