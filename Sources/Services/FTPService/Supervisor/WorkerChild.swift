import SystemSupport

/// One worker process as the supervisor knows it.
final class WorkerChild {
    /// Its column of the shared counters, and its name in logs; no two living workers have the same.
    let column: Int
    let generation: Int
    let process: ChildProcess
    /// Second of the loop's clock.
    let startedAt: Int64
    var channel: WorkerChannel?
    /// What it is confined by; nil until it serves.
    var confinement: Confinement?
    var isReady: Bool { confinement != nil }
    /// The second at which it was asked last whether it hangs, and the same until it has answered.
    var provedAt: Int64
    var askedAt: Int64?
    /// The second at which a drained worker is ended.
    var killAt: Int64?
    /// What it has under way.
    let running: SharedMemory
    /// Segments of its journal that are not sealed, the oldest first.
    var segments: [JournalKeeper.Segment] = []
    /// Whether it waits for another one.
    var wantsSegment = false

    init(column: Int, generation: Int, process: ChildProcess, running: SharedMemory, startedAt: Int64) {
        self.running = running
        self.column = column
        self.generation = generation
        self.process = process
        self.startedAt = startedAt
        provedAt = startedAt
    }

    /// How it ended. Its channel is closed, so it is about to; a worker that goes on nevertheless is killed.
    func reap() -> ChildProcess.End {
        let deadline = SystemClock.monotonic() + 2_000_000_000
        while SystemClock.monotonic() < deadline {
            if let end = process.end() { return end }
            SystemClock.sleep(nanoseconds: 1_000_000)
        }
        process.send(signal: Signals.kill)
        return process.waitForEnd()
    }
}
