import CoreMetrics
import Testing

@testable import DaemonKit

@Suite struct PrometheusTests {
    @Test func countersGaugesAndTimersAreExposed() {
        let registry = PrometheusRegistry()
        registry.makeCounter(label: "ffs.logins", dimensions: [("result", "ok \"x\"")]).increment(by: 2)
        registry.makeCounter(label: "ffs.logins", dimensions: [("result", "ok \"x\"")]).increment(by: 1)
        registry.makeMeter(label: "ffs_sessions", dimensions: []).set(Int64(7))
        let timer = registry.makeTimer(label: "ffs_seconds", dimensions: [])
        timer.recordNanoseconds(1_000_000)
        timer.recordNanoseconds(3_000_000_000_000_000)
        let text = registry.exposition()
        #expect(text.contains("# TYPE ffs_logins counter\nffs_logins{result=\"ok \\\"x\\\"\"} 3\n"))
        #expect(text.contains("# TYPE ffs_sessions gauge\nffs_sessions 7.0\n"))
        #expect(text.contains("ffs_seconds_bucket{le=\"0.001953125\"} 1\n"))
        #expect(text.contains("ffs_seconds_bucket{le=\"+Inf\"} 2\n"))
        #expect(text.contains("ffs_seconds_count 2\n"))
    }

    @Test func oneNameKeepsOneKind() {
        let registry = PrometheusRegistry()
        registry.makeCounter(label: "a", dimensions: []).increment(by: 1)
        registry.makeMeter(label: "a", dimensions: []).set(Int64(9))
        #expect(registry.exposition() == "# TYPE a counter\na 1\n")
    }

    /// A histogram that lacks a bucket somewhere cannot be summed over its series.
    @Test func everySeriesOfAHistogramHasEveryBucket() {
        let registry = PrometheusRegistry()
        for (code, nanoseconds) in [("ok", Int64(1_000)), ("busy", 70_000_000_000), ("denied", 2_000_000)] {
            registry.makeTimer(label: "ffs_commlink_request_seconds", dimensions: [("code", code)])
                .recordNanoseconds(nanoseconds)
        }
        let lines = registry.exposition().split(separator: "\n").map(String.init)
        #expect(
            lines.prefix(2) == [
                "# HELP ffs_commlink_request_seconds Time from a request to its reply, by link, type and result.",
                "# TYPE ffs_commlink_request_seconds histogram",
            ])
        for code in ["ok", "busy", "denied"] {
            let buckets = lines.filter { $0.hasPrefix("ffs_commlink_request_seconds_bucket{code=\"\(code)\",le=") }
            #expect(buckets.count == 25)
            #expect(buckets.last == "ffs_commlink_request_seconds_bucket{code=\"\(code)\",le=\"+Inf\"} 1")
            let counts = buckets.compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }
            #expect(counts == counts.sorted() && counts.count == 25)
        }
    }
}
