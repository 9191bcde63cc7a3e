import ArgumentParser
import FFSModel
import Requests

/// `ffsctl reload`: what SIGHUP does, with an answer.
struct ReloadCommand: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Have daemons read configuration, keys and certificates again, without dropping a session.",
        discussion: "Those of this host that run are reloaded, each with its own answer.")

    @Argument(help: "Reload these daemons alone.")
    var daemons: [DaemonName] = []

    @OptionGroup var global: GlobalOptions

    func run(_ session: Session) async throws {
        let outcomes = try await session.reload(try chosen(daemons))
        session.output.table(
            ["daemon", "result", "text"],
            outcomes.map { daemon, outcome in
                switch outcome {
                case .reloaded: [.text(daemon.rawValue), .text("reloaded"), .none]
                case .down(let why): [.text(daemon.rawValue), .text("down"), .text(why.text)]
                case .refused(let why): [.text(daemon.rawValue), .text("error"), .text(why.text)]
                }
            })
        for (daemon, outcome) in outcomes {
            guard case .refused(let why) = outcome else { continue }
            throw Failure(
                why.code, "\(daemon.rawValue): \(why.text); what it read before stays in force", cause: why.cause)
        }
        let down = outcomes.filter { if case .down = $0.outcome { true } else { false } }.map(\.daemon.rawValue)
        // Those that nobody named may be stopped on purpose, but not all of them.
        guard down.isEmpty || (daemons.isEmpty && down.count < outcomes.count) else {
            throw Failure(
                .unreachable, "\(down.joined(separator: ", ")) cannot be reloaded: not running; start it first")
        }
    }
}

/// What became of a reload.
enum ReloadOutcome: Sendable {
    case reloaded
    case down(Failure)
    /// It runs and goes on with what it had.
    case refused(Failure)
}

extension Session {
    /// Asks each in turn; one that refuses keeps none of the others from being asked.
    func reload(_ daemons: [DaemonName]) async throws -> [(daemon: DaemonName, outcome: ReloadOutcome)] {
        var outcomes: [(daemon: DaemonName, outcome: ReloadOutcome)] = []
        for name in daemons {
            do {
                _ = try await daemon(name).send(DaemonReload())
                outcomes.append((name, .reloaded))
            } catch {
                outcomes.append((name, error.code == .unreachable ? .down(error) : .refused(error)))
            }
        }
        return outcomes
    }
}
