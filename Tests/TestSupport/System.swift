import Glibc
import Synchronization

/// A whole FFS on loopback in a temporary directory: configuration, key bags, certificate, and the real programs
/// of this build as processes. With root's rights every daemon runs under its own user, otherwise all under the
/// tests' user. Everything ends and goes with the last reference.
package final class System: Sendable {
    package enum Daemon: String, Sendable, CaseIterable { case ffsauthd, ffspiped, ffsstaged, ffsftpd, ffswebd }

    package let directory: TemporaryDirectory
    package let webPort: Int
    package let ftpPort: Int
    package let httpsPort: Int
    package let authPorts: ClosedRange<Int>
    package let stagePorts: ClosedRange<Int>
    package let relayPorts: ClosedRange<Int>
    package let pipePorts: ClosedRange<Int>
    /// Words before every program: setpriv(1) where the tests are root and this system shall not be.
    private let prefix: [String]
    private let running = Mutex<[Daemon: DaemonProcess]>([:])

    package var configuration: String { directory("etc/ffs/ffs.yaml") }
    package var keyBags: String { directory("etc/ffs/keybag") }
    package var certificate: String { directory("etc/ffs/tls/cert.pem") }
    package var repository: String { directory("srv/ffs/repository") }
    package var accounts: String { directory("srv/ffs/accounts") }
    package var journal: String { directory("var/lib/ffs/journal") }
    package var xferlog: String { directory("var/log/ffs/xferlog") }
    package var webURL: String { "https://localhost:\(webPort)" }

    package static var isRoot: Bool { geteuid() == 0 }

    /// Everything is in place, nothing runs.
    ///
    /// - Parameters:
    ///   - settings: options of ffs.yaml(5) on top of those a test needs.
    ///   - unprivileged: run without root although the tests have it.
    package init(settings: [String: String] = [:], unprivileged: Bool = false) async throws {
        directory = try TemporaryDirectory("system")
        webPort = try Ports.one()
        ftpPort = try Ports.one()
        httpsPort = try Ports.one()
        authPorts = try Ports.range(8)
        stagePorts = try Ports.range(8)
        relayPorts = try Ports.range(8)
        pipePorts = try Ports.range(8)
        let steppingDown = unprivileged && Self.isRoot
        prefix = steppingDown ? ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] : []
        let owned = Self.isRoot && !unprivileged
        if owned, getpwnam("ffspipe") == nil {
            throw TestFailure("as root the daemons need their users: run ./install.sh test, which makes them")
        }
        let manifest = try InstallManifest()
        try await manifest.apply(below: directory.path, directories: true, owned: owned)
        try configure(settings)
        try await makeCertificate()
        if steppingDown { try await command("chown", "-R", "nobody:nogroup", directory.path).succeeded() }
        for link in ["web-internal", "web-storage", "storage-web", "web-pipe"] {
            try await ctl("keys", "generate", link).succeeded()
        }
        try await ctl("pipeline", "key").succeeded()
        try await manifest.apply(below: directory.path, directories: false, owned: owned)
    }

    /// All daemons up.
    package static func start(settings: [String: String] = [:], unprivileged: Bool = false) async throws -> System {
        let system = try await System(settings: settings, unprivileged: unprivileged)
        for daemon in Daemon.allCases { try await system.start(daemon) }
        return system
    }

    /// Starts one daemon and waits until it serves its control socket.
    @discardableResult
    package func start(_ daemon: Daemon) async throws -> DaemonProcess {
        let process = try await launch(daemon)
        try await process.logged(" ready")
        return process
    }

    /// Starts one daemon without waiting, for a start that is to fail.
    package func launch(_ daemon: Daemon, _ options: [String] = []) async throws -> DaemonProcess {
        let process = try await DaemonProcess.start(
            prefix + [Project.program(daemon.rawValue), "--config", configuration] + options, name: daemon.rawValue,
            logPath: directory("var/log/ffs/\(daemon.rawValue).log"))
        running.withLock { $0[daemon] = process }
        return process
    }

    /// The process of a daemon that was started.
    package func process(_ daemon: Daemon) throws -> DaemonProcess {
        guard let process = running.withLock({ $0[daemon] }) else { throw TestFailure("\(daemon) was not started") }
        return process
    }

    /// SIGTERM for all, web front first; throws when one does not end well.
    package func stop() async throws {
        for daemon in Daemon.allCases.reversed() {
            guard let process = running.withLock({ $0.removeValue(forKey: daemon) }) else { continue }
            let status = try await process.stop()
            guard status == 0 else {
                throw TestFailure("\(daemon) ended with \(status):\n\(process.log.suffix(4_000))")
            }
        }
    }

    /// ffsctl with this system's configuration.
    package func ctl(_ words: String..., input: String = "") async throws -> CommandResult {
        try await command(
            prefix + [Project.program("ffsctl")] + words + ["--config", configuration], input: input)
    }

    /// curl that trusts this system's certificate and nothing else, silent but for errors.
    package func curl(_ words: [String], timeout: Duration = .seconds(60)) async throws -> CommandResult {
        try await command(["curl", "-q", "-sS", "--cacert", certificate] + words, timeout: timeout)
    }

    /// Writes ffs.yaml anew: what every system needs and `settings` on top. Daemons read it at start and on SIGHUP.
    package func configure(_ settings: [String: String]) throws {
        try Files.write(yaml(settings), to: configuration)
    }

    private func yaml(_ settings: [String: String]) -> String {
        let own: [String: String] = [
            "run.directory": directory("run/ffs"), "state.directory": directory("var/lib/ffs"),
            "log.directory": directory("var/log/ffs"), "pipeline.journal-directory": journal,
            "commlink.keybag-directory": keyBags,
            "auth.base-port": "\(authPorts.lowerBound)", "staging.base-port": "\(stagePorts.lowerBound)",
            "web.relay-base-port": "\(relayPorts.lowerBound)",
            "pipeline.base-port": "\(pipePorts.lowerBound)",
            "pipeline.key-directory": directory("etc/ffs/pipeline"),
            "staging.repository": repository, "staging.accounts": accounts, "ftp.port": "\(ftpPort)",
            "ftp.https-port": "\(httpsPort)", "web.port": "\(webPort)", "web.certificate": certificate,
            "web.private-key": directory("etc/ffs/tls/key.pem"), "ftp.certificate": certificate,
            "ftp.private-key": directory("etc/ffs/tls/key.pem"),
        ]
        let groups = Dictionary(grouping: own.merging(settings) { $1 }) { $0.key.prefix { $0 != "." } }
        return groups.sorted { $0.key < $1.key }.map { group, settings in
            "\(group):\n"
                + settings.map { "  \($0.key.dropFirst(group.count + 1)): \"\($0.value)\"\n" }.sorted().joined()
        }.joined()
    }

    private func makeCertificate() async throws {
        try await command(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
            "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1", "-keyout",
            directory("etc/ffs/tls/key.pem"), "-out", certificate
        ).succeeded()
    }
}
