import ArgumentParser
import FFSModel
import Subprocess

/// `ffsctl check`: what each daemon's own `--check` finds, in one report. The daemons know best what they need.
struct CheckCommand: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check configuration, keys, modes and file systems of every daemon on this machine.",
        discussion: "Ends with status 78 when a daemon would refuse to start. Run it as root, as the daemons start.")

    @Argument(help: "Check these daemons alone.")
    var daemons: [DaemonName] = []

    @OptionGroup var global: GlobalOptions

    func run(_ session: Session) async throws {
        var rows: [[Value]] = []
        for daemon in daemons.isEmpty ? DaemonName.allCases : daemons {
            for finding in try await findings(of: daemon) {
                rows.append([.text(daemon.rawValue)] + finding.map { .text($0) })
            }
        }
        session.output.table(["daemon", "result", "subject", "text"], rows)
        let faults = rows.count { $0[1] == .text("error") }
        guard faults == 0 else {
            throw Failure(
                .configuration, "\(counted(faults, "fault")), see above")
        }
    }

    /// Rows of severity, subject and text.
    private func findings(of daemon: DaemonName) async throws -> [[String]] {
        var arguments = ["--", try daemon.program(), "--config", global.config, "--check"]
        for setting in global.settings { arguments += ["--set", setting] }
        let result = try await Subprocess.run(
            .name("env"), arguments: Arguments(arguments), output: .string(limit: 1 << 20),
            error: .string(limit: 1 << 20))
        var rows = result.standardOutput.split(separator: "\n").compactMap { line -> [String]? in
            let parts = line.split(separator: ": ", maxSplits: 2).map(String.init)
            return parts.count == 3 && ["ok", "warning", "error"].contains(parts[0]) ? parts : nil
        }
        // A configuration that cannot be read ends the daemon before its checks; it says why on standard error.
        if !result.terminationStatus.isSuccess, !rows.contains(where: { $0[0] == "error" }) {
            rows += result.standardError.split(separator: "\n").map { line in
                ["error", "start", String(line.trimmingPrefix("\(daemon.rawValue): "))]
            }
        }
        return rows
    }
}
