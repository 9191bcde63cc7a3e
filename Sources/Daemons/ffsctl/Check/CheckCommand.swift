import ArgumentParser
import ConfigurationSchema
import DaemonKit
import FFSModel
import FoundationEssentials
import Subprocess
import SystemSupport

/// `ffsctl check`: is everything in order on this host, and what is to be done where it is not? What each daemon's own
/// `--check` finds in the files, and what only a look at the running system shows.
struct CheckCommand: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Find what is out of order on this host, and say what to do about it.",
        discussion: """
            Configuration, keys, modes, file systems, certificates, daemons, ports, links to other hosts, names and \
            the clock. Changes nothing. Ends with status 78 when something must be mended, 69 when all that is wrong is \
            that a daemon, here or on another host, does not answer. Run it as root.
            """)

    @Argument(help: "Check these daemons alone.")
    var daemons: [DaemonName] = []

    @OptionGroup var global: GlobalOptions

    func run(_ session: Session) async throws {
        let configuration = session.configuration
        try makeSureOfRights(configuration)
        let asked = try chosen(daemons)
        let (config, settings) = (global.config, global.settings)
        let checks = LiveChecks(session: session, daemons: asked)
        var findings: [Finding] = []
        await withTaskGroup(of: [Finding].self) { group in
            for daemon in asked { group.addTask { await Self.own(daemon, config, settings) } }
            for check in checks.all { group.addTask { await check() } }
            for await found in group { findings += found }
        }
        let order = Dictionary(uniqueKeysWithValues: zip(DaemonName.allCases, 0...))
        findings.sort { (order[$0.daemon] ?? 0, $0.subject, $0.text) < (order[$1.daemon] ?? 0, $1.subject, $1.text) }
        session.output.table(
            ["daemon", "result", "subject", "text"],
            findings.map {
                [.text($0.daemon.rawValue), .text($0.severity.rawValue), .text($0.subject), .text($0.text)]
            })
        let faults = findings.filter { $0.severity == .error }
        guard !faults.isEmpty else { return }
        throw Failure(
            faults.allSatisfy(\.isOutage) ? .unreachable : .configuration,
            "\(counted(faults.count, "fault")), see above")
    }

    /// One line instead of a fault for each file that cannot be seen.
    private func makeSureOfRights(_ configuration: ConfigurationSchema.Configuration) throws(Failure) {
        let run = configuration[Options.Common.runDirectory]
        let keys = configuration[Options.Keys.directory]
        let files = FileManager.default
        guard files.fileExists(atPath: run) || files.fileExists(atPath: keys) else {
            throw Failure(
                .configuration,
                "FFS is not installed on this host: there is neither \(run) nor \(keys); run install.sh install, or name its configuration file with --config"
            )
        }
        guard !SystemUser.isRoot else { return }
        let owner = try? Descriptor.open(CPath(run), [.pathOnly, .directory]).status().user
        guard owner == SystemUser.effectiveNumber else {
            throw Failure(.denied, "ffsctl check looks at what only root may see; run it as root: sudo ffsctl check")
        }
    }

    /// What the daemon's own `--check` finds.
    private static func own(_ daemon: DaemonName, _ config: String, _ settings: [String]) async -> [Finding] {
        do {
            // A relay that does not answer shall not keep the operator waiting.
            var arguments = [
                "--", try daemon.program(), "--config", config, "--check", "--set", "commlink.hello-timeout=1",
            ]
            for setting in settings { arguments += ["--set", setting] }
            let result = try await Subprocess.run(
                .name("env"), arguments: Arguments(arguments), output: .string(limit: 1 << 20),
                error: .string(limit: 1 << 20))
            var findings = result.standardOutput.split(separator: "\n").compactMap { Finding(daemon, line: $0) }
            // A configuration that cannot be read ends the daemon before its checks; it says why on standard error.
            if !result.terminationStatus.isSuccess, !findings.contains(where: { $0.severity == .error }) {
                findings += result.standardError.split(separator: "\n").map { line in
                    Finding(daemon, .error, "start", String(line.trimmingPrefix("\(daemon.rawValue): ")))
                }
            }
            return findings
        } catch { return [Finding(daemon, .error, "program", (error as? Failure)?.text ?? "cannot be run: \(error)")] }
    }
}

/// One row of the report.
struct Finding: Sendable {
    let daemon: DaemonName
    let severity: CheckFinding.Severity
    let subject: String
    let text: String
    /// Whether it is that something does not run or answer, rather than that something must be corrected.
    let isOutage: Bool

    init(
        _ daemon: DaemonName, _ severity: CheckFinding.Severity, _ subject: String, _ text: String,
        isOutage: Bool = false
    ) {
        self.daemon = daemon
        self.severity = severity
        self.subject = subject
        self.text = text
        self.isOutage = isOutage
    }

    /// A line of a daemon's own check, `severity: subject: text`; nil for any other.
    init?(_ daemon: DaemonName, line: Substring) {
        let parts = line.split(separator: ": ", maxSplits: 2).map(String.init)
        guard parts.count == 3, let severity = CheckFinding.Severity(rawValue: parts[0]) else { return nil }
        self.init(daemon, severity, parts[1], parts[2])
    }
}
