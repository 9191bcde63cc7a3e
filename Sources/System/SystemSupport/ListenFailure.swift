package import FFSModel
import Glibc

extension Failure {
    /// The failure of a port that cannot be listened on: which, why, and what to do. `busy` where waiting may mend it (the
    /// port is taken, the address is not there yet), so that a service manager tries again; else `configuration`.
    /// - Parameters:
    ///   - errno: what socket(2), bind(2) or listen(2) said; nil where it is not known.
    ///   - purpose: what the port is for, where the port alone does not tell; empty, or a few words with a blank in front.
    ///   - option: the option that names the port.
    package static func cannotListen(
        on address: String, port: Int, _ errno: Errno?, purpose: String = "", option: String
    ) -> Failure {
        let (code, remedy): (FailureCode, String) =
            switch errno?.rawValue {
            case EADDRINUSE:
                (.busy, "another program has the port (ss -ltnp shows which): stop it, or change \(option)")
            case EACCES, EPERM:
                (
                    .configuration,
                    "ports below 1024 need root or CAP_NET_BIND_SERVICE at the start; else change \(option)"
                )
            case EADDRNOTAVAIL:
                (.busy, "no interface of this host has that address yet: wait for the network, or correct the address")
            default: (.configuration, "check the address and \(option)")
            }
        let reason = errno.map { "\($0); " } ?? ""
        return Failure(code, "cannot listen on \(address) port \(port)\(purpose): \(reason)\(remedy)")
    }
}
