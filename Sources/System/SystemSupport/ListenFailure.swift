package import FFSModel
import Glibc

extension Failure {
    /// The `configuration` failure of a port that cannot be listened on: which, why, and what to do.
    /// - Parameters:
    ///   - errno: what socket(2), bind(2) or listen(2) said; nil where it is not known.
    ///   - purpose: what the port is for, where the port alone does not tell; empty, or a few words with a blank in front.
    ///   - option: the option that names the port.
    package static func cannotListen(
        on address: String, port: Int, _ errno: Errno?, purpose: String = "", option: String
    ) -> Failure {
        let remedy =
            switch errno?.rawValue {
            case EADDRINUSE: "another program has the port (ss -ltnp shows which): stop it, or change \(option)"
            case EACCES, EPERM: "ports below 1024 need root or CAP_NET_BIND_SERVICE at the start; else change \(option)"
            case EADDRNOTAVAIL, EAFNOSUPPORT: "no interface of this host has that address: correct the address"
            default: "check the address and \(option)"
            }
        let reason = errno.map { "\($0); " } ?? ""
        return Failure(.configuration, "cannot listen on \(address) port \(port)\(purpose): \(reason)\(remedy)")
    }
}
