import NIOCore
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

    /// Runs `body` there.
    static func run(_ body: @escaping @Sendable () async throws -> Void) async throws {
        try await Task(executorPreference: ReloadThread(), operation: body).value
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
