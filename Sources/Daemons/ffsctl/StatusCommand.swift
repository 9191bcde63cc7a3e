import ArgumentParser
import FFSModel
import Requests
import SystemSupport

/// `ffsctl status`: which daemons are up and what they count.
struct StatusCommand: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show which daemons of this host are up and what they count.",
        discussion: "Ends with status 69 when a daemon that was asked for is down.")

    @Argument(help: "Ask these daemons alone.")
    var daemons: [DaemonName] = []

    @OptionGroup var global: GlobalOptions

    func run(_ session: Session) async throws {
        var rows: [[Value]] = []
        var down: [String] = []
        for daemon in try chosen(daemons) {
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
        show(rows, session.output)
        guard down.isEmpty else {
            let (verb, them) = down.count == 1 ? ("is", "it") : ("are", "them")
            throw Failure(
                .unreachable,
                "\(down.joined(separator: ", ")) \(verb) down; start \(them) with systemctl or ffs-service, "
                    + "or ask ffsctl check what is in the way")
        }
    }

    /// With `--json` one table; people get what the daemons count below it, as wide as they read.
    private func show(_ rows: [[Value]], _ output: Output) {
        let columns = ["daemon", "state", "version", "pid", "uptime", "counts"]
        if output.json { return output.table(columns, rows) }
        output.table(columns.dropLast(), rows.map { $0.dropLast() })
        let counts = rows.compactMap { row -> Value.Field? in
            guard case .record(let fields) = row[5], case .text(let daemon) = row[0], !fields.isEmpty else {
                return nil
            }
            return Value.Field(daemon, .list(fields.map(Self.readable)))
        }
        if !counts.isEmpty { output.paragraphs(counts) }
    }

    /// `bytes sent 2.0 GiB`, `relay up 1`: without what only metrics' names need.
    private static func readable(_ count: Value.Field) -> Value {
        var name = count.name[...]
        for prefix in ["ffs_ftp_", "ffs_"] where name.hasPrefix(prefix) { name = name.dropFirst(prefix.count) }
        let words = name.split(separator: "_").joined(separator: " ")
        guard case .number(let number) = count.value, words.hasPrefix("bytes") else {
            return .text("\(words) \(count.value.display)")
        }
        return .text("\(words) \(humanBytes(number))")
    }

    /// nil when no daemon answers.
    private func status(of daemon: DaemonName, _ session: Session) async throws -> DaemonStatus.Reply? {
        do { return try await session.daemon(daemon).send(DaemonStatus()) } catch {
            guard error.code == .unreachable else { throw error }
            return nil
        }
    }
}
