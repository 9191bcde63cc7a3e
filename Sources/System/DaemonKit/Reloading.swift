import NIOCore
import Synchronization
import SystemSupport

/// A thread for a reload, which reads files and asks the name service: neither an event loop nor Swift's pool may wait
/// for these.
final class ReloadThread: TaskExecutor {
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        do {
            try SystemThread(name: "reload") { [self] in
                job.runSynchronously(on: asUnownedTaskExecutor())
            }.detach()
        } catch {
            // No thread to be had: late is better than never.
            job.runSynchronously(on: asUnownedTaskExecutor())
        }
    }

    /// The reload asked for last.
    private static let last = Mutex<Task<Void, any Error>?>(nil)

    /// Runs `body` there, after every reload that was asked for before: of two at once, by SIGHUP and by ffsctl(8), the
    /// second one's settings are those that stay.
    static func run(_ body: @escaping @Sendable () async throws -> Void) async throws {
        let task = last.withLock { last in
            let before = last
            let task = Task(executorPreference: ReloadThread()) {
                _ = await before?.result
                try await body()
            }
            last = task
            return task
        }
        try await task.value
    }
}

/// For the watchdog: that every event loop takes work.
enum EventLoopProof {
    static func prove(_ group: any EventLoopGroup) async {
        for loop in group.makeIterator() {
            // A loop that has been shut down hangs no more.
            try? await loop.submit {}.get()
        }
    }
}
