import FFSModel
import FTPProtocol
import Logging
import SystemSupport

/// CWD and CDUP (RFC 959 §4.1.1).
///
///     C: CWD releases        S: 250 "/releases" is the current directory.
///     C: CWD hello.txt       S: 550 That is not a directory.
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

    func changeDirectory(_ path: [UInt8]) {
        guard let account, let target = resolve(path) else { return }
        do throws(SystemError) {
            _ = try account.tree.open(target, directory: true)
            reply(machine.changed(to: target))
        } catch { refuse(target, error) }
    }

    /// The regular file at `target`, which the client wrote as `path`: with a slash at its end that is no file.
    func openFile(_ target: VirtualPath, _ path: [UInt8], of account: Account) throws(SystemError) -> OpenFile {
        let file = try account.tree.openFile(target)
        guard path.last != UInt8(ascii: "/") else { throw SystemError("openat2", .notDirectory) }
        return file
    }

    /// 550, or the code given, for what is not there or of another kind. What must not be reached looks like what is not
    /// there. Faults of the system go to the log.
    func refuse(_ path: VirtualPath, _ error: SystemError, code: Int = 550) {
        switch error.errno {
        case .noEntry, .symbolicLink, .nameTooLong, .accessDenied, .crossDevice:
            reply(Reply(code, "No such file or directory."))
        case .notDirectory: reply(Reply(code, "That is not a directory."))
        case .isDirectory: reply(Reply(code, "That is a directory, not a file."))
        case .tooManyOpenFiles:
            log(.error, "out of descriptors", ["cause": "\(error)"])
            reply(Reply(450, "The server is out of resources; try later."))
        default:
            log(.error, "cannot open", ["path": "\(printable(path.bytes))", "cause": "\(error)"])
            reply(Reply(550, "It cannot be opened."))
        }
    }
}
