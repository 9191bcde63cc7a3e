import FFSModel
import Synchronization

/// A token bucket for each source: `rate` attempts a minute, and as many at once.
final class RateLimiter: Sendable {
    private struct Bucket {
        var tokens: Double
        var filled: Int64
    }

    private let rate: Double
    /// A flood from more sources than this forgets them all, rather than growing without bound.
    private let mostSources = 65_536
    private let buckets = Mutex<[String: Bucket]>([:])

    init(perMinute rate: Int) { self.rate = Double(rate) }

    /// nil when the attempt may go on, else the seconds after which the next one may. `now` is in seconds.
    func refuse(_ source: String, at now: Int64) -> Int? {
        buckets.withLock { buckets in
            if buckets.count >= mostSources { buckets = buckets.filter { refilled($0.value, at: now) < rate } }
            if buckets.count >= mostSources { buckets = [:] }
            var bucket = buckets[source] ?? Bucket(tokens: rate, filled: now)
            bucket.tokens = refilled(bucket, at: now)
            bucket.filled = now
            let allowed = bucket.tokens >= 1
            if allowed { bucket.tokens -= 1 }
            buckets[source] = bucket
            return allowed ? nil : max(1, Int(((1 - bucket.tokens) * 60 / rate).rounded(.up)))
        }
    }

    private func refilled(_ bucket: Bucket, at now: Int64) -> Double {
        min(rate, bucket.tokens + Double(max(0, now - bucket.filled)) * rate / 60)
    }
}
