import Glibc
import Synchronization

/// The operator's wish to stop long work: SIGINT (Ctrl-C), SIGTERM or SIGHUP. The first one is noted, so that the
/// work can clean up; a second one ends the process as ever.
package enum Interruption {
    private static let number = Atomic<Int32>(0)

    /// Starts to take note.
    package static func watch() {
        // The handler must find it initialised.
        number.store(0, ordering: .relaxed)
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { signal in
            Interruption.number.store(signal, ordering: .relaxed)
        }
        action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND)) | SA_RESTART
        for signal in [SIGINT, SIGTERM, SIGHUP] { sigaction(signal, &action, nil) }
    }

    /// The signal that came; nil while none has.
    package static var signal: Int32? {
        let number = number.load(ordering: .relaxed)
        return number == 0 ? nil : number
    }
}
