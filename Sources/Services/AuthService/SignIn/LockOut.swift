import Crypto
package import FFSModel

/// Wrong passwords per (customer, source), and how long each pair must wait: the first few are free, then the wait
/// doubles. Time is an argument. Names nobody has are treated as those somebody has, so the answer tells nothing;
/// another source has an account of its own, so nobody can lock a customer out from elsewhere.
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

    package enum Admission: Sendable, Equatable {
        /// Answer with ``succeeded(_:now:)``, ``failed(_:now:)`` or ``abandoned(_:)``, exactly once.
        case admitted
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

    package var limits: Limits
    private let key: SymmetricKey
    private var entries: [Pair: Entry] = [:]
    /// Pairs that have signed in, and when last; bounded like `entries`.
    private var known: [Pair: Instant] = [:]

    package init(limits: Limits = Limits()) {
        self.limits = limits
        key = SymmetricKey(size: .bits256)
    }

    /// Pairs remembered now.
    package var count: Int { entries.count }

    /// Whose failures are counted together.
    package func pair(_ customer: CustomerName, _ source: SourceKey) -> Pair {
        Pair(customer: hash(1, Array(customer.text.utf8)), source: hash(2, source.bytes))
    }

    private func hash(_ kind: UInt8, _ bytes: [UInt8]) -> UInt64 {
        var authentication = HMAC<SHA256>(key: key)
        authentication.update(data: [kind])
        authentication.update(data: bytes)
        return authentication.finalize().prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Whether the pair may try a password now; counts the attempt that it admits as under way.
    package mutating func admit(_ pair: Pair, now: Instant) -> Admission {
        var entry = entries[pair] ?? Entry(lastFailure: now, lockedUntil: now)
        if entry.underWay == 0, now - entry.lastFailure > limits.memory {
            entry = Entry(lastFailure: now, lockedUntil: now)
        }
        if entry.lockedUntil > now {
            return .locked(seconds: Int((entry.lockedUntil - now).components.seconds) + 1)
        }
        let allowed = entry.failures == 0 ? limits.concurrent : max(1, limits.freeAttempts - entry.failures)
        guard entry.underWay < allowed else { return .busy }
        if entries[pair] == nil { makeRoom() }
        entry.underWay += 1
        entries[pair] = entry
        return .admitted
    }

    /// Whether the customer has signed in from that source since the start: not one of a flood of strangers.
    package func isKnown(_ pair: Pair) -> Bool { known[pair] != nil }

    /// The right password: the pair starts afresh.
    package mutating func succeeded(_ pair: Pair, now: Instant) {
        if known[pair] == nil, known.count >= limits.capacity {
            let oldest = known.sorted { $0.value < $1.value }.prefix(max(1, limits.capacity / 4))
            for (pair, _) in oldest { known[pair] = nil }
        }
        known[pair] = now
        guard var entry = entries[pair] else { return }
        entry.underWay -= 1
        entry.failures = 0
        entry.lockedUntil = entry.lastFailure
        entries[pair] = entry.underWay > 0 ? entry : nil
    }

    /// Returns how long the pair is locked now; nil when it is not.
    @discardableResult
    package mutating func failed(_ pair: Pair, now: Instant) -> Duration? {
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
    package mutating func abandoned(_ pair: Pair) {
        guard var entry = entries[pair] else { return }
        entry.underWay -= 1
        entries[pair] = entry.underWay > 0 || entry.failures > 0 ? entry : nil
    }

    /// Forgets every failure of the customer, whatever the source: an operator has set a new password.
    package mutating func forgive(_ customer: CustomerName) {
        let hashed = hash(1, Array(customer.text.utf8))
        for (pair, entry) in entries where pair.customer == hashed {
            var entry = entry
            entry.failures = 0
            entry.lockedUntil = entry.lastFailure
            entries[pair] = entry.underWay > 0 ? entry : nil
        }
    }

    private func wait(after failures: Int) -> Duration? {
        guard failures >= limits.freeAttempts else { return nil }
        let doublings = min(failures - limits.freeAttempts, 30)
        return min(limits.firstWait * (1 << doublings), limits.longestWait)
    }

    /// Drops the quarter that failed longest ago. Sorting costs some 20 ms at the default capacity, once in
    /// 16,384 failures, each of which cost as much by itself.
    private mutating func makeRoom() {
        guard entries.count >= limits.capacity else { return }
        let idle = entries.filter { $0.value.underWay == 0 }.sorted { $0.value.lastFailure < $1.value.lastFailure }
        for (pair, _) in idle.prefix(max(1, limits.capacity / 4)) { entries[pair] = nil }
    }
}
