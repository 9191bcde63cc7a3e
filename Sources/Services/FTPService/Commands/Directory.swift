import FTPProtocol
import Logging
import SystemSupport

/// CWD and CDUP (RFC 959 §4.1.1).
extension ControlSession {
    /// The client's path from the current directory; nil after a 550.
    func resolve(_ path: [UInt8]?) -> VirtualPath? {
        guard let path else { return machine.directory }
        guard let resolved = machine.directory.resolving(path) else {
            reply(Reply(550, "The path is too long."))
            return nil
        }
        return resolved
    }

    func changeDirectory(_ path: [UInt8]?) {
        guard let account, let target = resolve(path) else { return }
        do throws(SystemError) {
            _ = try account.tree.open(target, directory: true)
            reply(machine.changed(to: target))
        } catch { refuse(target, error) }
    }

    /// 550 for what is not there. What the system says more goes to the log: the reply is the same for a missing
    /// name, a forbidden one and one of another kind.
    func refuse(_ path: VirtualPath, _ error: SystemError) {
        switch error.errno {
        case .noEntry, .notDirectory, .symbolicLink, .nameTooLong, .accessDenied, .crossDevice, .isDirectory:
            reply(Reply(550, "No such file or directory."))
        case .tooManyOpenFiles:
            log(.error, "out of descriptors", ["cause": "\(error)"])
            reply(Reply(450, "The server is out of resources; try later."))
        default:
            log(.error, "cannot open", ["path": "\(printablePath(path.bytes))", "cause": "\(error)"])
            reply(Reply(550, "It cannot be opened."))
        }
    }
}
