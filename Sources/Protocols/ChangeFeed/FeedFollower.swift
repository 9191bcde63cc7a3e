/// A host's side of the feed: where it is, and how long what it holds may be used unasked.
///
///     question ──► answer ──► begin ──► (apply the rows, or validate everything anew) ──► applied
///
/// The lease runs from the *sending* of the question whose answer said "at the head": whatever had been committed before that
/// moment is among the rows applied. Times are nanoseconds of a clock that counts sleep too (CLOCK_BOOTTIME).
package struct FeedFollower: Sendable {
    /// What is asked, and when it was sent.
    package struct Question: Sendable, Hashable {
        package let after: FeedPosition?
        /// Snapshots that something held was read from, and that no answer has confirmed yet: a feed that lacks one of them
        /// has lost what is held.
        package let seen: [FeedPosition]
        package let sent: Int64

        package init(after: FeedPosition?, seen: [FeedPosition], sent: Int64) {
            self.after = after
            self.seen = seen
            self.sent = sent
        }
    }

    /// What keeps an answer from being applied.
    package enum Refusal: Error, Sendable, Hashable {
        /// It belongs to a question from another position: answered too late.
        case outdated
        /// Numbers go back, or stand where they cannot: ask anew, and trust nothing of it.
        case disorder
    }

    /// nil until the first answer: nothing may be loaded before.
    package private(set) var position: FeedPosition?
    private var seen: [FeedPosition] = []
    /// More has been seen than a question can carry: everything has to be validated anew.
    private var isLost = false
    private let lease: Int64
    private var leaseEnd: Int64?
    /// Between ``begin(_:to:)`` and ``applied(_:to:)`` of a reset: what is held must not be used.
    package private(set) var isResetting = false

    /// - Parameter lease: nanoseconds.
    package init(lease: Int64) { self.lease = lease }

    /// How long a question may wait for a change: a third of the lease, so that one lost answer does not end it.
    package var longestWait: Int64 { lease / 3 }

    package func question(at now: Int64) -> Question {
        Question(after: isLost ? nil : position, seen: isLost ? [] : seen, sent: now)
    }

    /// Positions that one question can carry.
    package static let mostSeen = 16

    /// Something is held now that was read from a snapshot at `position`.
    package mutating func filled(from position: FeedPosition) {
        guard position != self.position, !seen.contains(position) else { return }
        if seen.count < Self.mostSeen { seen.append(position) } else { isLost = true }
    }

    /// Looks at an answer before anything of it is applied. A reset ends the lease at once.
    package mutating func begin(_ answer: FeedAnswer, to question: Question) throws(Refusal) {
        guard question.after == (isLost ? nil : position) else { throw .outdated }
        var last = question.after?.number ?? 0
        if answer.isReset {
            guard answer.rows.isEmpty else { throw .disorder }
            isResetting = true
            leaseEnd = nil
            seen = []
            isLost = false
            return
        }
        guard let after = question.after, answer.position.number >= after.number,
            answer.position.number > after.number || answer.position == after
        else { throw .disorder }
        for row in answer.rows {
            guard row.position.number > last, row.position.number <= answer.position.number else { throw .disorder }
            last = row.position.number
        }
    }

    /// Every row of the answer has been applied, or everything validated anew after a reset.
    package mutating func applied(_ answer: FeedAnswer, to question: Question) {
        position = answer.position
        if answer.isReset { isResetting = false }
        // What lies ahead can still be lost.
        seen.removeAll { question.seen.contains($0) && $0.number <= answer.position.number }
        if answer.isAtHead { leaseEnd = max(leaseEnd ?? .min, question.sent + lease) }
    }

    /// Whether what is held may be used without asking.
    package func holdsLease(at now: Int64) -> Bool { leaseLeft(at: now) > 0 }

    /// Nanoseconds; 0 without a lease.
    package func leaseLeft(at now: Int64) -> Int64 {
        guard !isResetting, let leaseEnd else { return 0 }
        return max(0, leaseEnd - now)
    }
}
