import CLinux
import Glibc

/// A dedicated thread for blocking work: Swift's own pool must never block.
package struct SystemThread: ~Copyable {
    private let handle: pthread_t

    /// Starts `body` on a thread of its own; `name` (at most 15 bytes) shows in ps(1) and top(1).
    package init(name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        let start = Unmanaged.passRetained(Start(name: name, body: body))
        var handle = pthread_t()
        let result = pthread_create(
            &handle, nil,
            { argument in
                // pthread_create passes on what it was given, which is never nil here.
                let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
                _ = ffs_thread_name(start.name)
                start.body()
                return nil
            }, start.toOpaque())
        guard result == 0 else {
            start.release()
            throw SystemError("pthread_create", Errno(result))
        }
        self.handle = handle
    }

    private final class Start {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Waits until the thread's body returns.
    package consuming func join() { pthread_join(handle, nil) }

    /// Lets the thread run on by itself.
    package consuming func detach() { pthread_detach(handle) }

    /// Lets another thread that could run on this processor do so, sched_yield(2).
    package static func yield() { sched_yield() }

    /// Lets the other threads of this machine go before the calling one: `niceness` of 1 to 19, setpriority(2), which
    /// on Linux is a thread's own. A courtesy: when it is refused, the work is done all the same.
    package static func yieldPriority(niceness: Int32) {
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, niceness)
    }
}

/// State behind a mutex, with a condition to wait on. For dedicated threads; tasks may only use `withLock`,
/// briefly.
package final class Monitor<State>: @unchecked Sendable {
    // Sendable: `state` is touched only while `mutex` is held, and both live at fixed addresses for the object's life.
    private var state: State
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>

    package init(_ state: sending State) {
        self.state = state
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        pthread_mutex_init(mutex, nil)
        condition = .allocate(capacity: 1)
        condition.initialize(to: pthread_cond_t())
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Runs `body` with the state and, if it returns, wakes waiters as `wake` says.
    package func withLock<Result, E: Error>(
        wake: Wake = .none, _ body: (inout State) throws(E) -> sending Result
    ) throws(E) -> sending Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        let result = try body(&state)
        switch wake {
        case .none: break
        case .one: pthread_cond_signal(condition)
        case .all: pthread_cond_broadcast(condition)
        }
        return result
    }

    package enum Wake: Sendable { case none, one, all }

    /// Waits until `body` returns a value; it is tried at once, and after each wake.
    package func wait<Result>(for body: (inout State) -> sending Result?) -> sending Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let result = body(&state) { return result }
            pthread_cond_wait(condition, mutex)
        }
    }

    /// The same, but returns nil after `timeout` nanoseconds.
    package func wait<Result>(
        timeout: Int64, for body: (inout State) -> sending Result?
    ) -> sending Result? {
        let end = SystemClock.monotonic() + timeout
        var deadline = timespec(tv_sec: Int(end / 1_000_000_000), tv_nsec: Int(end % 1_000_000_000))
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let result = body(&state) { return result }
            if pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT { return body(&state) }
        }
    }
}
