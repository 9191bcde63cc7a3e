import Glibc
import Synchronization

/// SIGHUP before a process traps it for good; untouched it would end a daemon that has not come so far.
package enum EarlyHangUp {
    private static let came = Atomic(false)

    /// Takes note from now on. To be called on the one thread there is.
    package static func note() {
        // The handler must find it initialised.
        came.store(false, ordering: .relaxed)
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in EarlyHangUp.came.store(true, ordering: .relaxed) }
        action.sa_flags = SA_RESTART
        sigaction(SIGHUP, &action, nil)
    }

    /// Whether one came: what was read by then may be older.
    package static var hasCome: Bool { came.load(ordering: .relaxed) }
}
