import Crypto
package import FFSModel
import SystemSupport

/// Wrong passwords per (customer, source), and how long each pair must wait: the first few are free, then the wait
/// doubles. Time is an argument. Names nobody has are treated as those somebody has, so the answer tells nothing;
/// another source has an account of its own, so nobody can lock a customer out from elsewhere.
///
/// A source is what somebody on a link said. So failures are counted a second time, by customer and by link peer, whatever
/// the source: beyond a number that no honest use reaches, attempts of that customer, or through that peer, come one by one.
/// Whoever has signed in from their source before does not wait at all. While somebody keeps guessing, newcomers to that
/// customer may be told to come again; after a restart everyone is one.
///
/// An attempt is charged when it is admitted, not when it has failed: a thousand at once get no further than
/// as many one after another. Memory is bounded; at the bound the pairs that failed longest ago are forgotten.
package struct LockOut: Sendable {
    package typealias Instant = ContinuousClock.Instant

    /// What the configuration allows.
    package struct Limits: Sendable {
        /// Wrong passwords in a row before the first wait.
        package var freeAttempts: Int
        /// The first wait; each further one is twice as long.
        package var firstWait: Duration
        package var longestWait: Duration
        /// A pair with no failure for so long starts afresh.
        package var memory: Duration
        /// Pairs remembered.
        package var capacity: Int
        /// Attempts of one pair under way at once, while it has no failures.
        package var concurrent: Int
        /// Beyond 50 failures, of which one is forgiven every 72 seconds, a customer's attempts come one a second.
        package var ofCustomer = Throttle.Limits(failures: 50, forgiven: .seconds(72), spacing: .seconds(1))
        /// Beyond 500 failures, of which one is forgiven every second, a peer's attempts come 20 a second.
        package var ofPeer = Throttle.Limits(failures: 500, forgiven: .seconds(1), spacing: .milliseconds(50))

        package init(
            freeAttempts: Int = 5, firstWait: Duration = .seconds(5), longestWait: Duration = .seconds(900),
            memory: Duration = .seconds(86_400), capacity: Int = 65_536, concurrent: Int = 32
        ) {
            self.freeAttempts = freeAttempts
            self.firstWait = firstWait
            self.longestWait = longestWait
            self.memory = memory
            self.capacity = capacity
            self.concurrent = concurrent
        }
    }

    /// Customer and source, each under a keyed hash: fixed size whatever was sent, and collisions cannot be sought.
    package struct Pair: Sendable, Hashable {
        let customer: UInt64
        let source: UInt64
    }

    /// Who is counted for an attempt.
    package struct Attempt: Sendable, Hashable {
        let pair: Pair
        let peer: UInt64
    }

    package enum Admission: Sendable, Equatable {
        /// Look at the password after that time. Answer with ``succeeded(_:now:)``, ``failed(_:now:)`` or
        /// ``abandoned(_:)``, exactly once.
        case admitted(after: Duration)
        /// Seconds, rounded up.
        case locked(seconds: Int)
        /// Too many of this pair are under way.
        case busy
    }

    private struct Entry {
        var failures = 0
        var underWay = 0
        var lastFailure: Instant
        var lockedUntil: Instant
    }

    package var limits: Limits {
        didSet {
            entries.capacity = limits.capacity
            known.capacity = limits.capacity
        }
    }
    private let key: SymmetricKey
    private var entries: BoundedMap<Pair, Entry>
    /// Pairs that have signed in.
    private var known: BoundedMap<Pair, Bool>
    private var customers: Throttle
    private var peers: Throttle

    package init(limits: Limits = Limits()) {
        self.limits = limits
        key = SymmetricKey(size: .bits256)
        entries = BoundedMap(capacity: limits.capacity) { $0.underWay > 0 }
        known = BoundedMap(capacity: limits.capacity)
        customers = Throttle(capacity: limits.capacity)
        peers = Throttle(capacity: 1_024)
    }

    /// Pairs remembered now.
    package var count: Int { entries.count }

    /// Whose failures are counted together. `peer`: the host that passes the attempt on.
    package func attempt(_ customer: CustomerName, _ source: SourceKey, peer: String = "-") -> Attempt {
        Attempt(
            pair: Pair(customer: hash(1, Array(customer.text.utf8)), source: hash(2, source.bytes)),
            peer: hash(3, Array(peer.utf8)))
    }

    private func hash(_ kind: UInt8, _ bytes: [UInt8]) -> UInt64 {
        var authentication = HMAC<SHA256>(key: key)
        authentication.update(data: [kind])
        authentication.update(data: bytes)
        return authentication.finalize().prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Whether the pair may try a password now; counts the attempt that it admits as under way.
    package mutating func admit(_ attempt: Attempt, now: Instant) -> Admission {
        let pair = attempt.pair
        var entry = entries[pair] ?? Entry(lastFailure: now, lockedUntil: now)
        if entry.underWay == 0, now - entry.lastFailure > limits.memory {
            entry = Entry(lastFailure: now, lockedUntil: now)
        }
        if entry.lockedUntil > now {
            return .locked(seconds: Int((entry.lockedUntil - now).components.seconds) + 1)
        }
        let allowed = entry.failures == 0 ? limits.concurrent : max(1, limits.freeAttempts - entry.failures)
        guard entry.underWay < allowed else { return .busy }
        var wait = Duration.zero
        if !isKnown(attempt) {
            guard let ofPeer = peers.wait(attempt.peer, limits.ofPeer, now: now),
                let ofCustomer = customers.wait(pair.customer, limits.ofCustomer, now: now)
            else { return .busy }
            wait = max(ofCustomer, ofPeer)
        }
        entry.underWay += 1
        entries[pair] = entry
        return .admitted(after: wait)
    }

    /// Whether the customer has signed in from that source since the start: not one of a flood of strangers.
    package func isKnown(_ attempt: Attempt) -> Bool { known[attempt.pair] != nil }

    /// The right password: the pair starts afresh.
    package mutating func succeeded(_ attempt: Attempt, now: Instant) {
        let pair = attempt.pair
        known[pair] = true
        guard var entry = entries[pair] else { return }
        entry.underWay -= 1
        entry.failures = 0
        entry.lockedUntil = entry.lastFailure
        entries[pair] = entry.underWay > 0 ? entry : nil
    }

    /// Returns how long the pair is locked now; nil when it is not.
    @discardableResult
    package mutating func failed(_ attempt: Attempt, now: Instant) -> Duration? {
        let pair = attempt.pair
        customers.failed(pair.customer, limits.ofCustomer, now: now)
        peers.failed(attempt.peer, limits.ofPeer, now: now)
        guard var entry = entries[pair] else { return nil }
        entry.underWay -= 1
        entry.failures += 1
        entry.lastFailure = now
        let wait = wait(after: entry.failures)
        if let wait { entry.lockedUntil = max(entry.lockedUntil, now + wait) }
        entries[pair] = entry
        return wait
    }

    /// The attempt came to nothing that says anything about the password.
    package mutating func abandoned(_ attempt: Attempt) {
        let pair = attempt.pair
        guard var entry = entries[pair] else { return }
        entry.underWay -= 1
        entries[pair] = entry.underWay > 0 || entry.failures > 0 ? entry : nil
    }

    /// Forgets every failure of the customer, whatever the source: an operator has set a new password.
    package mutating func forgive(_ customer: CustomerName) {
        let hashed = hash(1, Array(customer.text.utf8))
        entries.change(where: { $0.customer == hashed }) { entry in
            guard entry.underWay > 0 else { return nil }
            var entry = entry
            entry.failures = 0
            entry.lockedUntil = entry.lastFailure
            return entry
        }
        customers.forgive(hashed)
    }

    private func wait(after failures: Int) -> Duration? {
        guard failures >= limits.freeAttempts else { return nil }
        let doublings = min(failures - limits.freeAttempts, 30)
        return min(limits.firstWait * (1 << doublings), limits.longestWait)
    }
}
