import SystemSupport

/// Counts failures of one kind of key, in a bucket that leaks. Over the limit, attempts get places in a row, one behind the
/// other; nobody is refused while the row is short.
package struct Throttle: Sendable {
    package typealias Instant = ContinuousClock.Instant

    package struct Limits: Sendable {
        /// As many before attempts are spaced.
        package var failures: Int
        /// One failure is forgotten in so long.
        package var forgiven: Duration
        /// From one attempt to the next.
        package var spacing: Duration
        /// The longest wait for a place.
        package var longest = Duration.seconds(5)

        package init(failures: Int, forgiven: Duration, spacing: Duration) {
            self.failures = failures
            self.forgiven = forgiven
            self.spacing = spacing
        }
    }

    private struct Bucket {
        var failures: Double
        var at: Instant
        /// The first place that is free.
        var next: Instant
    }

    private var buckets: BoundedMap<UInt64, Bucket>

    init(capacity: Int) { buckets = BoundedMap(capacity: capacity) }

    /// How long an attempt has to wait, zero under the limit; nil when too many wait already.
    mutating func wait(_ key: UInt64, _ limits: Limits, now: Instant) -> Duration? {
        guard var bucket = buckets[key], level(bucket, limits, now) >= Double(limits.failures) else { return .zero }
        let place = max(bucket.next, now)
        guard place - now <= limits.longest else { return nil }
        bucket.next = place + limits.spacing
        buckets[key] = bucket
        return place - now
    }

    mutating func failed(_ key: UInt64, _ limits: Limits, now: Instant) {
        let old = buckets[key]
        buckets[key] = Bucket(
            failures: (old.map { level($0, limits, now) } ?? 0) + 1, at: now, next: old?.next ?? now)
    }

    mutating func forgive(_ key: UInt64) { buckets[key] = nil }

    private func level(_ bucket: Bucket, _ limits: Limits, _ now: Instant) -> Double {
        max(0, bucket.failures - (now - bucket.at) / limits.forgiven)
    }
}
