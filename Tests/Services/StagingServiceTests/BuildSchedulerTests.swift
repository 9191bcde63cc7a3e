import FFSModel
import SystemSupport
import Testing

@testable import StagingService

/// What ffsstaged's watchdog looks at.
@Suite struct BuildSchedulerTests {
    /// A full queue refuses a task that would prove the threads, so their progress does.
    @Test func progressIsSeenWithAFullQueue() throws {
        let scheduler = try BuildScheduler(threads: 1, limit: 2, name: "test")
        defer { scheduler.stop() }
        let gate = Monitor(0)
        // Each waits for its turn.
        func task(_ turn: Int) -> BuildScheduler.Task { { gate.wait { $0 >= turn ? () : nil } } }
        func taken(_ count: UInt64) -> Bool {
            for _ in 0..<10_000 where scheduler.progress.taken < count { SystemClock.sleep(nanoseconds: 1_000_000) }
            return scheduler.progress.taken == count
        }
        try scheduler.urgent(task(1))
        #expect(taken(1) && scheduler.progress.isIdle)
        for turn in [2, 3] { try scheduler.urgent(task(turn)) }
        #expect(throws: Failure.self) { try scheduler.urgent {} }
        #expect(scheduler.progress == (1, false))
        gate.withLock(wake: .all) { $0 = 1 }
        #expect(taken(2) && !scheduler.progress.isIdle)
        gate.withLock(wake: .all) { $0 = 3 }
        #expect(taken(3) && scheduler.progress.isIdle)
    }

    /// Chunks of a large tree, of which any number may wait, are seen as well.
    @Test func waitingChunksAreNotIdle() throws {
        let scheduler = try BuildScheduler(threads: 1, limit: 1, name: "test")
        defer { scheduler.stop() }
        let gate = Monitor(false)
        let wait: BuildScheduler.Task = { gate.wait { $0 ? () : nil } }
        scheduler.bulk([wait, wait])
        #expect(!scheduler.progress.isIdle)
        gate.withLock(wake: .all) { $0 = true }
    }

    @Test func theWatchdogsQuestionEndsWithTheNextTask() async throws {
        let fixture = try StagingFixture()
        let engine = fixture.engine
        let threads = fixture.settings.threads
        let gate = Monitor(false)
        let isProved = Monitor(false)
        // One more than there are threads: something waits, and nothing goes on.
        for _ in 0...threads { try engine.scheduler.urgent { gate.wait { $0 ? () : nil } } }
        while engine.scheduler.waiting > 1 { try await Task.sleep(for: .milliseconds(1)) }
        let question = Task {
            await engine.prove()
            isProved.withLock { $0 = true }
        }
        try await Task.sleep(for: .milliseconds(1_500))
        #expect(!isProved.withLock { $0 }, "hanging threads prove nothing")
        gate.withLock(wake: .all) { $0 = true }
        await question.value
        #expect(isProved.withLock { $0 })
    }
}
