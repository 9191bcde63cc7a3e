import ArgumentParser
import CommlinkTransport
import ConfigurationSchema
import CoreMetrics
import FFSModel
import FoundationEssentials
import Logging
import NIOPosix
import Requests
import ServiceLifecycle
import SystemSupport
import UnixSignals

/// A daemon's whole life: configuration, privileges, log, checks, services, drain. Blocks the main thread until the
/// daemon ends; throws the exit code of sysexits(3) when it cannot start.
///
/// Not async, because privileges must be given up while there is one thread: NO_NEW_PRIVS belongs to a thread and is
/// inherited by those it starts, and an async main gives its thread away, which then keeps the old user for ever.
package func runDaemon<D: Daemon>(_ type: D.Type, _ options: DaemonOptions) throws {
    do {
        let runner = DaemonRunner<D>(options: options)
        guard let environment = try runner.start() else { return }
        let end = Monitor<Result<Void, any Error>?>(nil)
        Task.detached {
            let result: Result<Void, any Error>
            do { result = .success(try await runner.run(environment)) } catch { result = .failure(error) }
            end.withLock(wake: .all) { $0 = result }
        }
        try end.wait { $0 }.get()
    } catch let problems as ConfigurationLoader.Problems {
        complain(problems.all.map(\.description), of: D.name)
        throw ExitCode(FailureCode.configuration.exitStatus)
    } catch let failure as Failure {
        complain([failure.description], of: D.name)
        throw ExitCode(failure.code.exitStatus)
    }
}

/// One line each on standard error, where a person or the journal sees why the daemon is not running.
private func complain(_ lines: [String], of daemon: String) {
    for line in lines {
        Terminal.writeAtOnce(Array("\(daemon): \(line)\n".utf8), to: .error)
    }
}

private struct DaemonRunner<D: Daemon>: Sendable {
    let options: DaemonOptions
    let variables: [String: String]
    let manager: ServiceManager

    init(options: DaemonOptions) {
        self.options = options
        variables = ProcessInfo.processInfo.environment
        manager = ServiceManager(environment: variables)
    }

    /// On the one thread there is: reads the configuration and becomes the daemon's user. nil when that was all.
    func start() throws -> DaemonEnvironment? {
        EarlyHangUp.note()
        let configuration = try loadConfiguration()
        if options.printConfig {
            print(configuration.yaml(), terminator: "")
            return nil
        }
        LoggingSystem.bootstrap { label in
            StandardErrorLogHandler(
                label: label, level: Logger.Level(configuration[Options.Common.logLevel]),
                format: configuration[Options.Common.logFormat])
        }
        Signals.ignoreBrokenPipes()
        // What a daemon creates is its own and its group's business.
        Privileges.setCreationMask(0o027)
        let environment = environment(configuration)
        if !options.check { try D.prepare(environment) }
        // A check sees what the daemon itself will be allowed to see.
        if let user = D.user, SystemUser.isRoot { try Privileges.become(user: configuration[user]) }
        // Also where it was started without root, whom the kernel would leave dumpable: memory holds keys and passwords.
        do { try Privileges.hideMemory() } catch { throw error.failure("cannot hide this process's memory") }
        return environment
    }

    /// Checks, then serves until SIGTERM.
    func run(_ environment: DaemonEnvironment) async throws {
        let registry = PrometheusRegistry()
        MetricsSystem.bootstrap(registry)
        let findings = await checkRunDirectory(environment.configuration) + D.check(environment)
        if options.check { return try report(findings) }
        try refuse(findings, log: environment.logger)
        try await serve(environment, registry: registry)
    }

    private func loadConfiguration() throws -> Configuration {
        try ConfigurationLoader.load(
            file: options.config, settings: options.settings, environment: variables, read: readConfigurationFile)
    }

    private func environment(_ configuration: Configuration) -> DaemonEnvironment {
        DaemonEnvironment(
            name: D.name, configuration: configuration, logger: Logger(label: D.name),
            allowTestKeys: options.allowTestKeys, isCheck: options.check, configurationFile: options.config)
    }

    private func checkRunDirectory(_ configuration: Configuration) -> [CheckFinding] {
        let directory = configuration[Options.Common.runDirectory]
        guard Descriptor.isDirectory(directory) else {
            return [
                CheckFinding(
                    .error, "run.directory",
                    "\(directory) is not a directory; create it (install.sh install does) or set run.directory")
            ]
        }
        return [CheckFinding(.ok, "run.directory", directory)]
    }

    /// The control socket's directory. systemd and ffs-service make it for the daemon's user; where that user owns
    /// run.directory, the daemon does it itself.
    private func makeSocketDirectory(_ configuration: Configuration) throws(Failure) {
        let directory = "\(configuration[Options.Common.runDirectory])/\(D.name)"
        guard let reason = LocalSocket.makeDirectory(directory), !Descriptor.isDirectory(directory) else { return }
        throw Failure(
            .configuration,
            "cannot make \(directory) for the control socket: \(reason); make it as root, for the user of \(D.name): "
                + "install -d -o USER -m 0755 \(directory)")
    }

    private func report(_ findings: [CheckFinding]) throws {
        for finding in findings { print("\(finding.severity.rawValue): \(finding.subject): \(finding.text)") }
        guard findings.contains(where: { $0.severity == .error }) else { return }
        throw ExitCode(FailureCode.configuration.exitStatus)
    }

    private func refuse(_ findings: [CheckFinding], log: Logger) throws {
        for finding in findings where finding.severity == .warning {
            log.warning("\(finding.text)", metadata: ["subject": "\(finding.subject)"])
        }
        let errors = findings.filter { $0.severity == .error }
        guard errors.isEmpty else {
            complain(errors.map { "\($0.subject): \($0.text)" }, of: D.name)
            throw ExitCode(FailureCode.configuration.exitStatus)
        }
    }

    private func serve(_ environment: DaemonEnvironment, registry: PrometheusRegistry) async throws {
        let configuration = environment.configuration
        let log = environment.logger
        try makeSocketDirectory(configuration)
        let daemon = try await D(environment)
        var services = daemon.services
        services.append(ControlService(control(of: daemon, environment)))
        let metrics = metricsServer(configuration, registry, daemon)
        if let metrics { services.append(metrics) }
        for service in services {
            if let service = service as? any BindingService { try await service.bind() }
        }
        // Before the daemon says that it is ready: whoever hears that may send SIGHUP.
        let hangUps = await UnixSignalsSequence(trapping: .sighup)
        services.append(
            Supervision(
                daemon: daemon, log: log, manager: manager, variables: variables, metrics: metrics, hangUps: hangUps
            ) {
                self.environment(try loadConfiguration())
            })
        var group = ServiceGroupConfiguration(
            services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: quieter(log))
        group.maximumGracefulShutdownDuration = .seconds(configuration[Options.Common.drainSeconds])
        log.notice("ready", metadata: ["version": "\(ffsVersion)", "pid": "\(processNumber())"])
        metrics?.setReady(true)
        manager.notify(.ready)
        try await ServiceGroup(configuration: group).run()
        log.notice("stopped")
    }

    /// The control socket serves the daemon's own table, and what every daemon can tell.
    private func control(of daemon: D, _ environment: DaemonEnvironment) -> ControlServer {
        var table = daemon.requestTable
        let started = SystemClock.now()
        table.on(DaemonStatus.self) { _, _ in
            DaemonStatus.Reply(
                daemon: D.name, version: ffsVersion, pid: Int(processNumber()), started: started, values: daemon.counts)
        }
        table.on(DaemonReload.self) { _, _ in
            try await ReloadThread.run { try await daemon.reload(self.environment(try loadConfiguration())) }
            environment.logger.notice("reloaded")
            return Done()
        }
        return ControlServer(
            path: "\(environment.configuration[Options.Common.runDirectory])/\(D.name)/control.sock", table: table,
            logger: environment.logger)
    }

    /// ServiceLifecycle's own records are about its internals.
    private func quieter(_ logger: Logger) -> Logger {
        var quiet = logger
        quiet.logLevel = max(quiet.logLevel, .warning)
        return quiet
    }

    private func metricsServer(
        _ configuration: Configuration, _ registry: PrometheusRegistry, _ daemon: D
    ) -> MetricsServer? {
        let base = configuration[Options.Common.metricsBasePort]
        let order = ["ffswebd", "ffsauthd", "ffsstaged", "ffsftpd", "ffspiped"]
        guard base > 0, let offset = order.firstIndex(of: D.name) else { return nil }
        return MetricsServer(
            address: configuration[Options.Common.metricsAddress], port: base + offset, registry: registry
        ) { daemon.isServing }
    }
}

/// SIGHUP, the service manager's watchdog and the notice that the daemon is stopping.
private struct Supervision<D: Daemon>: Service {
    let daemon: D
    let log: Logger
    let manager: ServiceManager
    let variables: [String: String]
    let metrics: MetricsServer?
    let hangUps: UnixSignalsSequence
    let reloadedEnvironment: @Sendable () throws -> DaemonEnvironment

    func run() async throws {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await reloadOnHangUp() }
            if let interval = ServiceManager.watchdogInterval(environment: variables) {
                group.addTask {
                    while !Task.isCancelled {
                        // A thread that hangs keeps this waiting, and the service manager then starts the daemon anew.
                        await EventLoopProof.prove(MultiThreadedEventLoopGroup.singleton)
                        await daemon.prove()
                        manager.notify(.watchdog)
                        try? await Task.sleep(for: interval)
                    }
                }
            }
            try? await gracefulShutdown()
            log.notice("draining")
            metrics?.setReady(false)
            manager.notify(.stopping)
            group.cancelAll()
        }
    }

    private func reloadOnHangUp() async {
        if EarlyHangUp.hasCome { await reload() }
        for await _ in hangUps { await reload() }
    }

    private func reload() async {
        manager.notify(.reloading)
        do {
            try await ReloadThread.run { try await daemon.reload(try reloadedEnvironment()) }
            log.notice("reloaded")
        } catch {
            log.error("reload failed; the old configuration, keys and certificates stay in force: \(error)")
        }
        manager.notify(.ready)
    }
}
