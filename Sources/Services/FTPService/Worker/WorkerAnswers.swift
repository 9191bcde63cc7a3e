package import FFSModel
package import Requests
import FTPProtocol
import SystemSupport
package import Tobj

/// What workers answer to `ffsctl ftp`: `<who>` with the fields of ``Requests/FTPWho`` to its reply's, `<kick
/// session="…"/>` or `<kick account="…"/>` to how many sessions were ended.
enum WorkerAnswer {
    static func question(_ who: FTPWho) -> Element { Element("who", children: who.body) }

    static func who(_ question: Element) -> FTPWho? {
        question.name == "who" ? try? FTPWho(fields: Fields(question.children, of: "who")) : nil
    }

    static func page(_ answer: Element) -> FTPWho.Reply? {
        try? FTPWho.Reply(fields: Fields(answer.children, of: answer.name))
    }

    /// The answers of several sides, or workers, to one question.
    static func merged(_ question: Element, _ answers: [Element]) -> Element {
        guard let who = who(question) else {
            return Element("kicked", text: "\(answers.reduce(0) { $0 + (Int($1.string) ?? 0) })")
        }
        return Element("sessions", children: who.merged(answers.compactMap(page)).body)
    }
}

extension Worker {
    /// The answer of the FTP side.
    package func answer(_ question: Element) -> Element {
        let sessions = loop.sources(of: ControlSession.self)
        if let who = WorkerAnswer.who(question) {
            return Element("sessions", children: who.page(of: sessions).body)
        }
        guard question.name == "kick" else { return Element("unknown") }
        let session = question.attribute("session").map { String(decoding: $0, as: UTF8.self) }
        let account = question.attribute("account").flatMap { try? AccountID(bytes: $0) }
        let kicked = sessions.filter { $0.name == session || account.map($0.uses) == true }
        for session in kicked { session.kick() }
        return Element("kicked", text: "\(kicked.count)")
    }
}

extension ControlSession: ListedSession {
    package var address: IPAddress { peer.ip }
    package func uses(_ account: AccountID) -> Bool { self.account?.id == account }

    /// One row.
    package var rows: [FTPSession] {
        let file = running?.plan.file
        return [
            FTPSession(
                id: name, service: .ftp, peer: peer.endpoint.description,
                seconds: Int((worker.loop.now - started) / 1_000_000_000),
                account: account?.id.text, tls: stream.protection, bytes: running.map { Int($0.progress) },
                rate: running.map { $0.rate(now: worker.loop.now) },
                path: file.flatMap { try? RelativePath(bytes: $0.path.relative) })
        ]
    }
}
