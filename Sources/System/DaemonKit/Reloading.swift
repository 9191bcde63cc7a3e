import Glibc
import NIOCore
import Synchronization
import SystemSupport
import UnixSignals

/// SIGHUP from a process's first moment on; untouched it would end a daemon that has not come to trap it.
enum HangUps {
    private static let early = Atomic(false)

    /// Takes note until ``trap()``. To be called on the one thread there is.
    static func note() {
        // The handler must find it initialised.
        early.store(false, ordering: .relaxed)
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in HangUps.early.store(true, ordering: .relaxed) }
        action.sa_flags = SA_RESTART
        sigaction(SIGHUP, &action, nil)
    }

    /// From now on each one is an element.
    static func trap() async -> UnixSignalsSequence { await UnixSignalsSequence(trapping: .sighup) }

    /// Whether one came before that: what was read by then may be older.
    static var wasEarly: Bool { early.load(ordering: .relaxed) }
}

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
