import FFSModel
import FTPProtocol
import Requests
import SystemSupport
package import Tobj

/// What a worker answers to `ffsctl ftp`.
extension Worker {
    /// `<who/>`: a `<session>` for each; `<kick session="…"/>` or `<kick account="…"/>`: how many were ended.
    package func answer(_ question: Element) -> Element {
        switch question.name {
        case "who": return Element("sessions", children: loop.sources(of: ControlSession.self).map(\.description))
        case "kick":
            let session = question.attribute("session").map { String(decoding: $0, as: UTF8.self) }
            let account = question.attribute("account").map { String(decoding: $0, as: UTF8.self) }
            var kicked = 0
            for candidate in loop.sources(of: ControlSession.self)
            where candidate.name == session || (account != nil && candidate.account?.id.text == account) {
                candidate.kick()
                kicked += 1
            }
            return Element("kicked", text: "\(kicked)")
        default: return Element("unknown")
        }
    }
}

extension ControlSession {
    /// One row of `ffsctl ftp who`.
    var description: Element {
        let file = running?.plan.file
        return FTPSession(
            id: name, service: .ftp, peer: peer.endpoint.description,
            seconds: Int((worker.loop.now - started) / 1_000_000_000),
            account: account?.id.text, tls: stream.protection, bytes: running.map { Int($0.progress) },
            rate: running.map { $0.rate(now: worker.loop.now) },
            path: file.flatMap { try? RelativePath(bytes: $0.path.relative) }
        ).element
    }
}
