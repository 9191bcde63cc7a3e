import ChangeFeed
import FFSModel
import Synchronization

/// Decides by the change feed whether an account may be published, and tells which accounts a change may have ended.
///
/// Publication and application exclude each other here: what is published before a row is applied stands in the index and is
/// looked at with it; what comes after must have been allowed in a snapshot that knows the row.
final class FeedGuard: Sendable {
    private struct State {
        var follower: FeedFollower
        var fills = StaleFills()
        /// When accounts that may not outlive a lease end.
        var lapse: Int64
    }

    private let state: Mutex<State>
    private let isStrict: Bool
    private let lease: Int64
    /// Nanoseconds since boot, sleep included.
    private let now: @Sendable () -> Int64

    /// - Parameters:
    ///   - lease: nanoseconds.
    ///   - isStrict: whether nothing is published without a lease.
    init(lease: Int64, isStrict: Bool, now: @escaping @Sendable () -> Int64) {
        self.lease = lease
        self.isStrict = isStrict
        self.now = now
        // A start is no lapse: the lease of the run before this may still hold.
        state = Mutex(State(follower: FeedFollower(lease: lease), lapse: now() + lease))
    }

    // MARK: - Building

    /// A build's place among those that a change can overtake; left when this goes.
    final class Claim: Sendable {
        fileprivate let ticket: StaleFills.Ticket
        /// The snapshot in which the order was found to stand; nil when nobody could be asked.
        fileprivate let snapshot: FeedPosition?
        /// When the earliest of the order's rights ends, as far as that was asked.
        let until: Timestamp?
        private let feed: FeedGuard

        fileprivate init(_ ticket: StaleFills.Ticket, _ snapshot: FeedPosition?, until: Timestamp?, of feed: FeedGuard)
        {
            self.ticket = ticket
            self.snapshot = snapshot
            self.until = until
            self.feed = feed
        }

        deinit { feed.leave(ticket) }
    }

    /// Before an order is asked about: from now on a change of `keys` is noticed.
    func enter(_ keys: Set<FeedKey>) -> StaleFills.Ticket { state.withLock { $0.fills.begin(keys) } }

    /// The order was found to stand in a snapshot at `position`; nil when nobody could be asked.
    func claim(_ ticket: StaleFills.Ticket, at position: FeedPosition?, until: Timestamp? = nil) -> Claim {
        Claim(ticket, position, until: until, of: self)
    }

    /// A claim by what the order itself says, which nothing can have overtaken; nil when it has to be asked about.
    func claim(_ keys: Set<FeedKey>, orderedAt position: FeedPosition) -> Claim? {
        state.withLock { state in
            guard state.follower.holdsLease(at: now()), let here = state.follower.position,
                position.number > here.number || position == here
            else { return nil }
            return Claim(state.fills.begin(keys), position, until: nil, of: self)
        }
    }

    func leave(_ ticket: StaleFills.Ticket) { _ = state.withLock { $0.fills.finish(ticket, snapshot: nil) } }

    /// Whether orders can be checked, so that it makes sense to begin: throws `busy` when not.
    func admit() throws(Failure) {
        try state.withLock { state throws(Failure) in try mayPublish(state) }
    }

    /// Runs `publication` unless a change has overtaken the claim: then false, and the order must be asked about again.
    func publish(_ claim: Claim, _ publication: () throws(Failure) -> Void) throws(Failure) -> Bool {
        try state.withLock { state throws(Failure) in
            try mayPublish(state)
            let isCurrent = state.fills.finish(claim.ticket, snapshot: claim.snapshot)
            guard let snapshot = claim.snapshot else {
                try publication()
                return true
            }
            guard isCurrent else { return false }
            try publication()
            state.follower.filled(from: snapshot)
            return true
        }
    }

    /// After the publication, before anybody is told: throws `busy` when the lease has lapsed meanwhile.
    func confirm() throws(Failure) { try admit() }

    private func mayPublish(_ state: State) throws(Failure) {
        guard isStrict, !state.follower.holdsLease(at: now()) else { return }
        throw Self.unchecked
    }

    static let unchecked = Failure(
        .busy,
        "whether the order still stands cannot be checked now, as this storage host does not hear of changes; repeat it in a few seconds (ffsctl changes status shows who hears of them)",
        retryAfter: 2)

    // MARK: - Following

    /// What is asked next, and how many milliseconds it may wait: at once where there is no lease.
    func question() -> (question: FeedFollower.Question, wait: Int) {
        state.withLock { state in
            let now = now()
            let wait = state.follower.holdsLease(at: now) ? Int(state.follower.longestWait / 1_000_000) : 0
            return (state.follower.question(at: now), wait)
        }
    }

    /// Takes up an answer, of which nothing is applied yet.
    func begin(_ answer: FeedAnswer, to question: FeedFollower.Question) throws(FeedFollower.Refusal) {
        try state.withLock { state throws(FeedFollower.Refusal) in
            try state.follower.begin(answer, to: question)
            if answer.isReset { state.fills.reset(to: answer.position) }
        }
    }

    /// Applies rows to the builds under way; returns the published accounts that they may have ended.
    func apply(_ rows: [FeedRow], to index: AccountIndex) -> [(row: FeedRow, accounts: [AccountID])] {
        state.withLock { state in
            rows.map { row in
                state.fills.applied(row)
                return (row, index.accounts(touchedBy: row))
            }
        }
    }

    /// All of the answer has been applied. Returns the nanoseconds that the lease has left.
    func applied(_ answer: FeedAnswer, to question: FeedFollower.Question) -> Int64 {
        state.withLock { state in
            state.follower.applied(answer, to: question)
            let now = now()
            let left = state.follower.leaseLeft(at: now)
            if left > 0 { state.lapse = now + left }
            return left
        }
    }

    /// Whether the time of accounts that may not outlive a lease has come.
    var hasLapsed: Bool { state.withLock { now() >= $0.lapse } }

    /// Where this host is in the feed; nil before the first answer.
    var position: FeedPosition? { state.withLock { $0.follower.position } }

    /// Builds under way that a change can overtake.
    var claims: Int { state.withLock { $0.fills.count } }
}
