import FFSModel
import FTPProtocol
import SystemSupport

/// HOST (RFC 7151), STAT, SITE, CLNT, CSID (RFC 959 §4.1.3).
///
///     C: STAT                S: 211-Status of this session: … 211 End of status
///     C: STAT releases       S: 212-Listing: … 212 End
///     C: STAT hello.txt      S: 213-Listing: … 213 End
extension ControlSession {
    /// Whether clients reach this server under `address`. Behind a balancer nobody here knows which they used.
    func isOurs(_ address: IPAddress) -> Bool {
        let settings = worker.settings
        return !settings.proxies.isEmpty || address == local.ip
            || address == settings.passiveAddress.announced(to: peer.ip, local: local.ip)
    }

    func status(_ argument: ListArgument?) {
        if let running {
            return reply(Reply(211, "A transfer is running; \(running.progress) bytes so far."))
        }
        if machine.job != nil { return reply(Reply(211, "The command before is still at work.")) }
        guard let argument else { return reply(machine.status(peer: peer.endpoint.description)) }
        listStatus(argument)
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

    func named(_ text: [UInt8], _ answer: String) {
        machine.named(text)
        reply(Reply(200, answer))
    }
}
