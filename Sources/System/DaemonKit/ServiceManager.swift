import FFSModel
import Glibc

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
            var now = timespec()
            clock_gettime(CLOCK_MONOTONIC, &now)
            message += "\nMONOTONIC_USEC=\(now.tv_sec * 1_000_000 + now.tv_nsec / 1_000)"
        }
        send(message, to: address)
    }

    /// Half of WATCHDOG_USEC: how often systemd wants to hear from us; nil when it does not.
    static func watchdogInterval(environment: [String: String]) -> Duration? {
        guard let text = environment["WATCHDOG_USEC"], let microseconds = Int(text), microseconds > 0 else {
            return nil
        }
        return .microseconds(microseconds / 2)
    }

    private func send(_ message: String, to path: String) {
        let socket = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return }
        defer { close(socket) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        // "@name" is the abstract namespace, whose first byte is NUL.
        if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                _ = Array(message.utf8).withUnsafeBytes {
                    sendto(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL), address, length)
                }
            }
        }
    }
}
