package import SystemSupport

/// What slows a transfer down: its session's own rate, and those that it shares with others of its account and with the
/// whole server, at all workers.
///
/// Who wants to send takes a piece's time in each bucket first and waits until it has come: sharers get their turns in the
/// order in which they asked, whatever wakes them, and none is overtaken by one that looks more often.
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
    /// Bytes whose time is taken and that were not sent, and the moment from which on they may be.
    private var granted = 0
    private var grantedFrom: Int64 = 0

    /// nil when nothing is limited. Rates are bytes a second, 0 for no limit.
    package init?(
        _ counters: SharedCounters, session: Int, account: (bucket: Int, rate: Int), server: (bucket: Int, rate: Int)
    ) {
        self.counters = counters
        sessionRate = session
        shared = [account, server].filter { $0.rate > 0 }.map { Shared(bucket: $0.bucket, rate: $0.rate) }
        guard session > 0 || !shared.isEmpty else { return nil }
    }

    package enum Turn: Sendable, Hashable {
        /// So many bytes may be sent now.
        case bytes(Int)
        /// Nanoseconds until some may.
        case wait(Int64)
    }

    /// Takes the time of the next piece, unless there is some left of the last.
    package mutating func turn(now: Int64) -> Turn {
        if granted == 0 {
            granted = piece
            grantedFrom = take(granted, now: now) - SharedCounters.burst
        }
        return grantedFrom > now ? .wait(grantedFrom - now) : .bytes(granted)
    }

    package mutating func sent(_ bytes: Int) { granted = max(0, granted - bytes) }

    /// Nothing more is to be sent.
    package mutating func giveBack(now: Int64) {
        guard granted > 0 else { return }
        _ = take(-granted, now: now)
        granted = 0
    }

    /// When the time of `bytes` begins.
    private mutating func take(_ bytes: Int, now: Int64) -> Int64 {
        var start = now
        if sessionRate > 0 {
            start = max(sessionEmptyAt, now)
            sessionEmptyAt = start + SharedCounters.cost(bytes, rate: sessionRate)
        }
        return shared.reduce(start) { max($0, counters.take(bytes, rate: $1.rate, from: $1.bucket, now: now)) }
    }

    /// Bytes to send in one go: some twentieth of a second's worth, and no more than every way of sending takes at once, so
    /// that a turn is worth the same in clear, under TLS and over HTTPS.
    private var piece: Int {
        let rate = shared.map(\.rate).reduce(sessionRate > 0 ? sessionRate : .max) { min($0, $1) }
        return min(max(rate / 20, 4_096), 65_536)
    }
}
