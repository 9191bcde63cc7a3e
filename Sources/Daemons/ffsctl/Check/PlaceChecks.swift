import ConfigurationSchema
import DaemonKit
import FFSModel
import FoundationEssentials
import Subprocess
import SystemSupport

/// Names, addresses, places to write to, and the clock.
struct PlaceChecks: Sendable {
    let configuration: ConfigurationSchema.Configuration
    let daemons: [DaemonName]

    var all: [@Sendable () async -> [Finding]] {
        [
            { await publicHost() }, { await names() }, { await unit() },
            { Self.clock(isKept: Probes.isClockKept, of: daemons) },
        ]
    }

    // MARK: What customers are told

    /// What is wrong with a name that links shall carry; nil for a host name or an address.
    static func complaint(aboutPublicHost name: String) -> String? {
        let isName = !name.isEmpty && name.utf8.allSatisfy { $0.isASCIILetterOrDigit || "-.:_[]".utf8.contains($0) }
        let colons = name.utf8.count { $0 == UInt8(ascii: ":") }
        if !isName || colons == 1 {
            return
                "\"\(printable(name.utf8))\" is no host name: give the bare name that customers connect to, such as download.example.com, without scheme, port or path"
        }
        return nil
    }

    private var isAtHomeOnly: Bool { Self.isLoopback(configuration[Options.FTP.address]) }

    private static func isLoopback(_ name: String) -> Bool {
        ["localhost", "::1", "[::1]"].contains(name) || name.utf8.starts(with: "127.".utf8)
    }

    private func publicHost() async -> [Finding] {
        guard let daemon = [DaemonName.ffsftpd, .ffswebd].first(where: daemons.contains) else { return [] }
        let name = configuration[Options.FTP.publicHost]
        func finding(_ severity: CheckFinding.Severity, _ text: String) -> [Finding] {
            [Finding(daemon, severity, Options.FTP.publicHost.key, text)]
        }
        if let complaint = Self.complaint(aboutPublicHost: name) { return finding(.error, complaint) }
        if Self.isLoopback(name) {
            guard !isAtHomeOnly else { return finding(.ok, "\(name), as ftp.address is this host's own, too") }
            return finding(
                .error,
                "\(name) sends customers to their own machines: set it to the name under which they reach the download server, on every host"
            )
        }
        let addresses = await onOwnThread { Probes.addresses(ofHost: name, port: 0) }
        guard !addresses.isEmpty else {
            return finding(
                .error,
                "the name \(name) does not resolve here: customers may not find it either; correct it or the DNS")
        }
        guard daemon == .ffsftpd, let reached = await onOwnThread({ passiveIsReachable(addresses) }) else {
            return finding(.ok, name)
        }
        guard !reached else { return finding(.ok, "\(name); its passive ports can be reached") }
        let range = configuration[Options.FTP.passivePorts]
        return [
            Finding(
                daemon, .warning, Options.FTP.passivePorts.key,
                "no connection from here to \(name) at a port of \(range.optionText): let these ports through the firewall to this host (a router that does not lead its own network back outside looks the same)"
            )
        ]
    }

    /// Whether a connection to the public address arrives at a port of the passive range; nil where none is free.
    private func passiveIsReachable(_ addresses: [TCPAddress]) -> Bool? {
        let range = configuration[Options.FTP.passivePorts]
        let (first, last) = (Int(range.first), Int(range.last))
        let middle = first + (last - first) / 2
        for port in middle...min(middle + 20, last) {
            guard
                let all = TCPAddress(bytes: [UInt8](repeating: 0, count: 16), port: UInt16(port)),
                let listener = try? Descriptor.listen(all, backlog: 1, bothFamilies: true)
            else { continue }
            let reached = addresses.contains { address in
                TCPAddress(bytes: address.bytes, port: UInt16(port), scope: address.scope)
                    .map { Probes.canConnect(to: $0, timeout: LiveChecks.patience / 2) } ?? false
            }
            try? listener.close()
            return reached
        }
        return nil
    }

    // MARK: Names of this host's own listeners

    private func names() async -> [Finding] {
        let options: [(DaemonName, Option<String>)] = [
            (.ffsftpd, Options.FTP.address), (.ffswebd, Options.Web.address), (.ffswebd, Options.Web.relayAddress),
        ]
        var findings: [Finding] = []
        for (daemon, option) in options where daemons.contains(daemon) && !configuration[option].isEmpty {
            let name = configuration[option]
            let isKnown = await onOwnThread { !Probes.addresses(ofHost: name, port: 0).isEmpty }
            if !isKnown {
                findings.append(
                    Finding(
                        daemon, .error, option.key,
                        "\(name) is neither an address nor a name that resolves: correct \(option.key)"))
            }
        }
        return findings
    }

    // MARK: Where the unit may write

    /// Under systemd a daemon may write where its unit says and nowhere else.
    private func unit() async -> [Finding] {
        guard FileManager.default.fileExists(atPath: "/run/systemd/system") else { return [] }
        var findings: [Finding] = []
        let state = Options.Common.stateDirectory
        let log = Options.Common.logDirectory
        let places: [(DaemonName, [Option<String>])] = [
            (.ffsstaged, [Options.Staging.repository, Options.Staging.accounts, state]), (.ffsauthd, [state]),
            (.ffspiped, [state, Options.Pipeline.journals]),
            (.ffsftpd, [log]),
        ]
        for (daemon, options) in places where daemons.contains(daemon) {
            let words = ["show", daemon.rawValue, "-p", "LoadState,ProtectHome,ProtectSystem,ReadWritePaths"]
            guard
                let result = try? await Subprocess.run(
                    .name("systemctl"), arguments: Arguments(words), output: .string(limit: 1 << 16), error: .discarded)
            else { continue }
            for option in options {
                let path = configuration[option]
                guard let complaint = UnitRights(systemctl: result.standardOutput).complaint(about: path) else {
                    continue
                }
                findings.append(Finding(daemon, .error, option.key, complaint))
            }
        }
        return findings
    }

    // MARK: Clock

    /// - Parameter isKept: nil where the kernel does not say.
    static func clock(isKept: Bool?, of daemons: [DaemonName]) -> [Finding] {
        guard let daemon = daemons.first, isKept == false else { return [] }
        return [
            Finding(
                daemon, .warning, "clock",
                "no time service keeps this host's clock: accounts and certificates end by it; timedatectl set-ntp true, or install chrony"
            )
        ]
    }
}

/// What `systemctl show` says of a unit's rights to write.
struct UnitRights {
    private var properties: [String: String] = [:]

    init(systemctl text: String) {
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { properties[String(parts[0])] = String(parts[1]) }
        }
    }

    /// Why the unit's daemon may not write below `path`, and what to do; nil where it may.
    func complaint(about path: String) -> String? {
        guard properties["LoadState"] == "loaded" else { return nil }
        if properties["ProtectHome"] == "yes", ["/home", "/root"].contains(where: { Self.holds($0, path) }) {
            return
                "the unit sees nothing below /home and /root (ProtectHome=yes), so not \(path): move it, such as to /srv"
        }
        guard properties["ProtectSystem"] == "strict" else { return nil }
        let allowed = (properties["ReadWritePaths"] ?? "").split(separator: " ").map { word in
            String(word.drop { $0 == "-" || $0 == "+" })
        }
        guard !allowed.contains(where: { Self.holds($0, path) }) else { return nil }
        return
            "the unit may not write to \(path) (ProtectSystem=strict): run install.sh install again, which adds it to ReadWritePaths, or add it with systemctl edit"
    }

    private static func holds(_ directory: String, _ path: String) -> Bool {
        let (directory, path) = (directory.split(separator: "/"), path.split(separator: "/"))
        return path.starts(with: directory)
    }
}
