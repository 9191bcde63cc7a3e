import FTPProtocol
import SystemSupport

/// STAT, SITE, CLNT, CSID (RFC 959 §4.1.3).
extension ControlSession {
    func status(_ argument: Argument) {
        guard case .listing(let options, let path) = argument else { return }
        if let running {
            return reply(Reply(211, "A transfer is running; \(running.progress) bytes so far."))
        }
        if path == nil, options == ListOptions() { return reply(machine.status(peer: peer.endpoint.description)) }
        listStatus(path)
    }

    func site(_ text: [UInt8]) {
        let words = String(decoding: text, as: UTF8.self).uppercased().split(separator: " ")
        switch words.first {
        case "HELP": reply(Reply(214, "SITE HELP and SITE WHO are served; CHMOD and UTIME are refused."))
        case "WHO": reply(machine.status(peer: peer.endpoint.description))
        case "CHMOD", "UTIME", "CHGRP", "CHOWN", "SYMLINK", "RMDIR", "MKDIR", "UMASK":
            reply(Reply(550, "This server is read-only."))
        default: reply(Reply(504, "SITE HELP says what is served."))
        }
    }

    func named(_ command: Command) {
        machine.named(command.text)
        reply(Reply(200, command.verb == .csid ? "Name=FFS; CaseSensitive=1; DirSep=/;" : "Noted."))
    }
}
