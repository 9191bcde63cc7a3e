package import ConfigurationSchema
package import DaemonKit
import Clients
import CommlinkTransport
import FFSModel
import Journal
import Logging
import Metrics
package import Requests
package import ServiceLifecycle
import SystemSupport

/// ffsstaged(8): the StagingEngine behind the web-storage link and the control socket.
package struct StagingDaemon: Daemon {
    package static let name = "ffsstaged"
    package static var user: ConfigurationSchema.Option<String>? { Options.Staging.user }

    package let requestTable: RequestTable
    package let services: [any Service]
    private let engine: StagingEngine
    private let commlink: CommlinkService
    /// Keys of the relay's link; nil where no change feed is followed.
    private let relayBags: KeyBagStore?

    /// While still root: whatever is made in the account area shall have the area's group, which is ffsftpd's.
    /// The owner, who is not in that group, could not set this bit.
    package static func prepare(_ environment: DaemonEnvironment) throws {
        guard SystemUser.isRoot else { return }
        let path = environment.configuration[Options.Staging.accounts]
        do {
            let area = try Descriptor.open(CPath(path), [.read, .directory])
            let status = try area.status()
            if status.permissions & 0o2000 == 0 { try area.setPermissions(status.permissions | 0o2000) }
        } catch { throw error.failure("cannot prepare the account area", .configuration) }
    }

    package static func check(_ environment: DaemonEnvironment) async -> [CheckFinding] {
        let configuration = environment.configuration
        return StartupChecks.run(StagingSettings(configuration), reader: configuration[Options.FTP.user])
            + [environment.checkKeyBag(of: .webStorage, isServer: true)]
            + (configuration[Options.FTP.relayHost].isEmpty ? [] : [environment.checkKeyBag(of: .storageWeb)])
    }

    package init(_ environment: DaemonEnvironment) async throws {
        let configuration = environment.configuration
        // Trees are for others to read; what is private is made so by its own mode.
        Privileges.setCreationMask(0o022)
        let relay = try Self.relay(environment)
        relayBags = relay?.bags
        let settings = StagingSettings(configuration)
        let engine = try StagingEngine(
            settings: settings, logger: environment.logger, clock: .system, desk: relay?.desk,
            recorder: try Self.recorder(environment, settings))
        self.engine = engine
        requestTable = engine.requestTable(daemon: Self.name, version: ffsVersion)
        let first = configuration[Options.Staging.basePort]
        commlink = try CommlinkService(
            environment, link: .webStorage, address: configuration[Options.Staging.address],
            ports: first...(first + configuration[Options.Staging.portCount] - 1), table: requestTable)
        // Ended in reverse order: the threads stop when nobody can ask any more.
        services =
            [EngineService(engine: engine)] + Self.following(engine, relay, environment) + [commlink]
            + (try Self.signInSocket(environment, requestTable))
    }

    /// What the change feed is followed by.
    private struct Relay {
        let bags: KeyBagStore
        let client: CommlinkClient
        let desk: OrderDesk
    }

    /// ffswebd's relay, and behind it ffsauthd; nil where there is none: changes in the master database then reach accounts
    /// only as somebody revokes them here.
    private static func relay(_ environment: DaemonEnvironment) throws(Failure) -> Relay? {
        let configuration = environment.configuration
        let host = configuration[Options.FTP.relayHost]
        guard !host.isEmpty else { return nil }
        let bags = try environment.keyBags(of: .storageWeb)
        // The agent tells of an outage once; the link would at each attempt.
        var quiet = environment.logger
        quiet.logLevel = max(quiet.logLevel, .error)
        let first = configuration[Options.Web.relayBasePort]
        let client = CommlinkClient(
            link: .storageWeb, host: host, ports: first...(first + configuration[Options.Web.relayPortCount] - 1),
            bags: bags, settings: CommlinkSettings(configuration), logger: quiet)
        let servesStale = configuration[Options.Staging.leases] == .serveStale
        let feed = FeedGuard(
            lease: Int64(configuration[Options.Staging.lease]) * 1_000_000_000, isStrict: !servesStale,
            now: { SystemClock.sinceBoot() })
        let desk = OrderDesk(
            feed: feed, auth: AuthClient(client), servesStale: servesStale, logger: environment.logger)
        return Relay(bags: bags, client: client, desk: desk)
    }

    private static func following(
        _ engine: StagingEngine, _ relay: Relay?, _ environment: DaemonEnvironment
    ) -> [any Service] {
        guard let relay else { return [] }
        return [
            CommlinkClients(relay.client),
            CacheUpdateAgent(engine, relay.desk, node: environment.configuration.localNode),
        ]
    }

    private static func recorder(
        _ environment: DaemonEnvironment, _ settings: StagingSettings
    ) throws(Failure) -> AccountRecorder? {
        let (configuration, logger) = (environment.configuration, environment.logger)
        guard !configuration[Options.Pipeline.journals].isEmpty else { return nil }
        let journal = try Journal(
            stream: name, configuration: configuration, report: { logger.critical("\($0.text)") })
        return try AccountRecorder(
            journal: journal, directory: settings.stateDirectory, clock: .system, logger: logger)
    }

    /// The socket at which ffsftpd's gate asks for customers' accounts; none where they cannot sign in there.
    private static func signInSocket(
        _ environment: DaemonEnvironment, _ table: RequestTable
    ) throws(Failure) -> [any Service] {
        let configuration = environment.configuration
        guard !configuration[Options.FTP.relayHost].isEmpty, configuration[Options.FTP.customerSignIn] != .off else {
            return []
        }
        let reader: SystemUser?
        do { reader = try SystemUser(named: configuration[Options.FTP.user]) } catch {
            throw error.failure("cannot look up ftp.user", .configuration)
        }
        return [
            ControlService(
                ControlServer(
                    path: configuration[Options.Common.runDirectory] + "/" + Options.Staging.signInSocket,
                    link: .signIn, group: reader?.group, table: table, logger: environment.logger))
        ]
    }

    package func reload(_ environment: DaemonEnvironment) async throws {
        try commlink.reload()
        try relayBags?.reload()
    }

    package func prove() async { await engine.prove() }

    package var counts: [DaemonStatus.Reply.Value] { engine.counts }
}

/// Ends the engine's threads at the end.
private struct EngineService: Service {
    let engine: StagingEngine

    func run() async throws {
        try? await gracefulShutdown()
        await withCheckedContinuation { continuation in
            // Not on Swift's pool: it waits for what was begun.
            do {
                try SystemThread(name: "stop") {
                    engine.stop()
                    continuation.resume()
                }.detach()
            } catch {
                engine.stop()
                continuation.resume()
            }
        }
    }
}

extension StagingEngine {
    /// The handlers of every request that ffsstaged serves.
    package func requestTable(daemon: String, version: String) -> RequestTable {
        var table = RequestTable(daemon: daemon, version: version, clock: clock.now)
        table.on(StageCreate.self) { [self] request, context in
            let start = SystemClock.monotonic()
            let account = try await create(request, id: context.id, trace: context.trace)
            let elapsed = SystemClock.monotonic() - start
            Timer(label: "ffs_staging_seconds").recordNanoseconds(elapsed)
            Counter(label: "ffs_accounts_staged_total").increment()
            logger.info(
                "account staged",
                metadata: [
                    "account": "\(account.account)", "customer": "\(request.customer)", "files": "\(account.fileCount)",
                    "bytes": "\(account.bytes)", "microseconds": "\(elapsed / 1_000)", "trace": "\(context.trace)",
                ])
            return account
        }
        table.on(StageExtend.self) { [self] request, _ in
            try await extend(request.account, lifetime: request.lifetime)
        }
        table.on(StageRevoke.self) { [self] request, context in
            let actor = context.link == .control ? context.peer : nil
            try await revoke(request.account, policy: request.policy, actor: actor)
            return Done()
        }
        table.on(StageStatus.self) { [self] request, _ in try await status(request.account) }
        table.on(StageList.self) { [self] request, _ in try await list(request) }
        return table
    }

    /// Returns once a building thread has taken a task. Where tasks wait, any of them will do: a place behind all of them
    /// may come later than a watchdog waits.
    func prove() async {
        let before = scheduler.progress.taken
        while !Task.isCancelled {
            let now = scheduler.progress
            guard now.taken == before else { return }
            if now.isIdle {
                try? await scheduler.run {}
                return
            }
            try? await Task.sleep(for: .seconds(1))
        }
    }

    /// What `ffsctl status` shows.
    package var counts: [DaemonStatus.Reply.Value] {
        [
            DaemonStatus.Reply.Value("ffs_accounts", index.count),
            DaemonStatus.Reply.Value("ffs_staging_queue", scheduler.waiting),
        ]
    }
}
