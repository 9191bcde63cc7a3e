import Logging
import Testing

@testable import DaemonKit

@Suite struct LogLimiterTests {
    private let second: Int64 = 1_000_000_000

    /// How many of `count` lines are written.
    private func written(
        _ count: Int, _ limiter: inout LogLimiter, message: String = "refused", now: Int64 = 0,
        _ metadata: (Int) -> Logger.Metadata
    ) -> Int { (0..<count).count { limiter.admits(message, metadata($0), now: now) } }

    @Test func oneSourceGetsAFewLinesOfEachKindWhateverItsPort() {
        var limiter = LogLimiter()
        #expect(written(15_000, &limiter) { ["peer": "192.0.2.1:\($0)"] } == LogLimiter.lines)
        #expect(written(1, &limiter) { ["peer": "[2001:db8::1]:\($0)"] } == 1)
        #expect(written(30, &limiter) { ["peer": "[2001:db8::1]:\($0)"] } == LogLimiter.lines - 1)
        #expect(written(1, &limiter, message: "another kind") { _ in ["peer": "192.0.2.1:9"] } == 1)
        #expect(written(1, &limiter) { _ in ["peer": "192.0.2.1:9", "limit": "ftp.sessions"] } == 1)
    }

    @Test func whatTheDaemonSaysOfItselfIsAlwaysWritten() {
        var limiter = LogLimiter()
        #expect(written(1_000, &limiter) { _ in ["worker": "1"] } == 1_000)
    }

    @Test func whatWasLeftOutIsToldOnceAndThenLinesAreWrittenAgain() {
        var limiter = LogLimiter()
        _ = written(25, &limiter) { _ in ["source": "192.0.2.1"] }
        #expect(limiter.due(now: 9 * second).isEmpty)
        #expect(
            limiter.due(now: 10 * second)
                == [LogLimiter.Summary(kind: "refused", source: "192.0.2.1", count: 25 - LogLimiter.lines)])
        #expect(limiter.due(now: 12 * second).isEmpty)
        #expect(written(1, &limiter, now: 12 * second) { _ in ["source": "192.0.2.1"] } == 1)
    }

    @Test func manySourcesShareOneCount() {
        var limiter = LogLimiter()
        #expect(written(5_000, &limiter) { ["source": "s\($0)"] } == LogLimiter.pairs + LogLimiter.lines)
    }
}
