import ConfigurationSchema
import DaemonKit
import FFSModel
import Requests
import SystemSupport
import Tobj

/// What `ffsctl ftp` asks of the supervisor.
extension SupervisorService {
    func requestTable() -> RequestTable {
        var table = RequestTable(daemon: FTPDaemon.name, version: ffsVersion, clock: SystemClock.now)
        table.on(FTPWho.self) { [self] message, _ in
            guard message.after.map({ SessionKey($0) != nil }) ?? true else {
                throw Failure(.badRequest, "ftp.list: <after> is no session's name, such as 0-17")
            }
            let answers = await ask(WorkerAnswer.question(message))
            return message.merged(answers.compactMap(WorkerAnswer.page))
        }
        table.on(FTPKick.self) { [self] message, _ in
            let attribute: Element.Attribute =
                switch message.target {
                case .session(let name): .init("session", name.utf8)
                case .account(let account): .init("account", account.text.utf8)
                }
            let answers = await ask(Element("kick", [attribute]))
            return FTPKick.Reply(count: answers.reduce(0) { $0 + (Int($1.string) ?? 0) })
        }
        table.on(FTPDrain.self) { [self] message, _ in
            hold(message.on)
            return Done()
        }
        table.on(FTPRestart.self) { [self] _, _ in
            try await restart()
            return Done()
        }
        table.on(FTPLimits.self) { [self] _, _ in
            FTPLimits.Reply(limits: limits, sessions: sessionCount)
        }
        return table
    }
}
