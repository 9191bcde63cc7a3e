import ArgumentParser
import FFSModel
import Requests
import SystemSupport

/// `ffsctl status`: which daemons are up and what they count.
struct StatusCommand: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show which daemons of this machine are up and what they count.",
        discussion: "Ends with status 69 when a daemon that was asked for is down.")

    @Argument(help: "Ask these daemons alone.")
    var daemons: [DaemonName] = []

    @OptionGroup var global: GlobalOptions

    func run(_ session: Session) async throws {
        var rows: [[Value]] = []
        var down: [String] = []
        for daemon in daemons.isEmpty ? DaemonName.allCases : daemons {
            guard let status = try await status(of: daemon, session) else {
                down.append(daemon.rawValue)
                rows.append([.text(daemon.rawValue), .text("down"), .none, .none, .none, .none])
                continue
            }
            let counts = status.values.map { Value.Field($0.name, .number($0.value)) }
            rows.append([
                .text(daemon.rawValue), .text("up"), .text(status.version), .number(status.pid),
                .seconds(Int(SystemClock.now() - status.started)), .record(counts),
            ])
        }
        session.output.table(["daemon", "state", "version", "pid", "uptime", "counts"], rows)
        guard down.isEmpty else {
            let verb = down.count == 1 ? "is" : "are"
            throw Failure(
                .unreachable,
                "\(down.joined(separator: ", ")) \(verb) down; start with systemctl or ffs-service, "
                    + "or ask ffsctl check what is in the way")
        }
    }

    /// nil when no daemon answers.
    private func status(of daemon: DaemonName, _ session: Session) async throws -> DaemonStatus.Reply? {
        do { return try await session.daemon(daemon).send(DaemonStatus()) } catch {
            guard error.code == .unreachable else { throw error }
            return nil
        }
    }
}

/// `ffsctl reload`: what SIGHUP does, with an answer.
struct ReloadCommand: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Have daemons read configuration, keys and certificates again, without dropping a session.")

    @Argument(help: "Reload these daemons alone.")
    var daemons: [DaemonName] = []

    @OptionGroup var global: GlobalOptions

    func run(_ session: Session) async throws {
        let asked = daemons.isEmpty ? DaemonName.allCases : daemons
        for daemon in asked {
            do { _ = try await session.daemon(daemon).send(DaemonReload()) } catch {
                throw Failure(error.code, "\(daemon.rawValue): \(error.text)", cause: error.cause)
            }
        }
        let names = asked.map(\.rawValue)
        session.output.done(
            "Reloaded \(names.joined(separator: ", ")).", [.init("reloaded", .list(names.map { .text($0) }))])
    }
}
