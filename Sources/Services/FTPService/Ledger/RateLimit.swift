package import SystemSupport

/// What slows a transfer down: its session's own rate, and those that it shares with others of its account and with the
/// whole server, at all workers. Each is a bucket that is charged after bytes were sent.
package struct RateLimit: Sendable {
    /// A bucket in the memory that all workers share.
    package struct Shared: Sendable {
        let bucket: Int
        /// Bytes a second.
        let rate: Int
    }

    private let counters: SharedCounters
    private let shared: [Shared]
    private let sessionRate: Int
    private var sessionEmptyAt: Int64 = 0

    /// nil when nothing is limited. Rates are bytes a second, 0 for no limit.
    package init?(
        _ counters: SharedCounters, session: Int, account: (bucket: Int, rate: Int), server: (bucket: Int, rate: Int)
    ) {
        self.counters = counters
        sessionRate = session
        shared = [account, server].filter { $0.rate > 0 }.map { Shared(bucket: $0.bucket, rate: $0.rate) }
        guard session > 0 || !shared.isEmpty else { return nil }
    }

    /// Nanoseconds until more may be sent; 0: now.
    package func wait(now: Int64) -> Int64 {
        let own = sessionRate > 0 ? max(0, sessionEmptyAt - now - SharedCounters.burst) : 0
        return shared.reduce(own) { max($0, counters.wait($1.bucket, now: now)) }
    }

    package mutating func take(_ bytes: Int, now: Int64) {
        if sessionRate > 0 {
            sessionEmptyAt = max(sessionEmptyAt, now) + SharedCounters.cost(bytes, rate: sessionRate)
        }
        for limit in shared { counters.take(bytes, rate: limit.rate, from: limit.bucket, now: now) }
    }

    /// Bytes to send in one go: some twentieth of a second's worth, so that sharers take turns.
    package var piece: Int {
        let rate = shared.map(\.rate).reduce(sessionRate > 0 ? sessionRate : .max) { min($0, $1) }
        return min(max(rate / 20, 4_096), 262_144)
    }
}
