import SystemSupport

/// Talks to systemd's NOTIFY_SOCKET, sd_notify(3); does nothing where there is none.
struct ServiceManager: Sendable {
    private let address: String?

    init(environment: [String: String]) { address = environment["NOTIFY_SOCKET"] }

    enum State: String {
        case ready = "READY=1"
        case reloading = "RELOADING=1"
        case stopping = "STOPPING=1"
        case watchdog = "WATCHDOG=1"
    }

    func notify(_ state: State) {
        guard let address else { return }
        var message = state.rawValue
        if state == .reloading {
            // systemd wants the moment, so that an older READY is not taken for the end of this reload.
            message += "\nMONOTONIC_USEC=\(SystemClock.monotonic() / 1_000)"
        }
        LocalSocket.send(message, to: address)
    }

    /// Half of WATCHDOG_USEC: how often systemd wants to hear from us; nil when it does not.
    static func watchdogInterval(environment: [String: String]) -> Duration? {
        guard let text = environment["WATCHDOG_USEC"], let microseconds = Int(text), microseconds > 0 else {
            return nil
        }
        return .microseconds(microseconds / 2)
    }
}
