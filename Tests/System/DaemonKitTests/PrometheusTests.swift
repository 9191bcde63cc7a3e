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
}
