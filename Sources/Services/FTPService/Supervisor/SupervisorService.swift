import ConfigurationSchema
package import DaemonKit
package import FFSModel
import Logging
package import Requests
import ServiceLifecycle
import Synchronization
import SystemSupport
package import Tobj

/// The supervisor as a part of the daemon: a thread with its loop, spoken to from tasks.
package final class SupervisorService: BindingService {
    private let configuration: Configuration
    /// The settings in force; SIGHUP changes them.
    private let current: Mutex<Configuration>
    private let logger: Logger
    private let counterSecret: [UInt8]
    private let environment: DaemonEnvironment
    /// What customers' sign-ins do.
    let signIns = SignInStatus()
    private let mailbox = Mutex<Mailbox?>(nil)
    private let supervisor = Mutex<Handoff<Supervisor>?>(nil)
    private let metrics = Mutex<WorkerMetrics?>(nil)
    private let isHolding = Atomic<Bool>(false)

    package init(_ environment: DaemonEnvironment) {
        configuration = environment.configuration
        self.environment = environment
        current = Mutex(environment.configuration)
        logger = environment.logger
        counterSecret = randomBytes(8)
    }

    /// Opens everything and starts the workers; throws ``Failure`` when one cannot serve.
    package func bind() async throws {
        _ = raiseDescriptorLimit()
        let journals = JournalKeeper(configuration, log: logger)
        try journals?.open()
        let plan = try FTPDaemon.plan(configuration, counterSecret: counterSecret)
        let resources = try SupervisorResources(configuration, hasTLS: !plan.certificates.isEmpty)
        let counters = try SharedCounters(secret: plan.counterSeed)
        let identity = try FTPDaemon.identity(configuration)
        let count = FTPDaemon.workers(configuration)
        if identity == nil {
            logger.notice(
                "not started as root: no chroot(2) and no own user; openat2(2), Landlock and seccomp confine workers")
        }
        let loop = try PollLoop()
        let gate = GateKeeper(loop: loop, plan: try GateBriefing(environment), status: signIns, log: logger) {
            channel throws(SystemError) in try GateKeeper.launch(identity, channel: channel)
        }
        let metrics = WorkerMetrics(counters)
        self.metrics.withLock { $0 = metrics }
        let made = Supervisor(
            loop: loop, counters: counters, metrics: metrics, count: count, plan: plan,
            transferLog: resources.transferLog, gate: gate, journals: journals,
            patience: .init(drain: configuration[Options.Common.drainSeconds]), log: logger
        ) { column, channel, transferLog, running throws(SystemError) in
            try resources.launch(
                column, channel: channel, transferLog: transferLog, counters: counters, running: running,
                identity: identity)
        }
        mailbox.withLock { $0 = loop.mailbox }
        let handoff = Handoff(made)
        supervisor.withLock { $0 = handoff }
        try SystemThread(name: "supervisor") {
            do { try handoff.value.loop.run() } catch { preconditionFailure("epoll_wait failed: \(error)") }
        }.detach()
        let failure: Failure? = await withCheckedContinuation { continuation in
            perform { $0.start { continuation.resume(returning: $0) } }
        }
        if let failure { throw failure }
    }

    package func run() async throws {
        try await gracefulShutdown()
        let grace = configuration[Options.Common.drainSeconds]
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [self] in
                await withCheckedContinuation { continuation in perform { $0.drain { continuation.resume() } } }
            }
            group.addTask { [self] in
                try? await Task.sleep(for: .milliseconds(max(0, grace * 1_000 - 500)))
                guard !Task.isCancelled else { return }
                logger.warning("the drain time is over; transfers are cut")
                perform { $0.killAll() }
            }
            await group.next()
            group.cancelAll()
        }
    }

    /// New configuration and certificates for sessions to come. Throws and changes nothing when they cannot be used.
    package func reload(_ environment: DaemonEnvironment) throws {
        let plan = try FTPDaemon.plan(environment.configuration, counterSecret: counterSecret)
        let gatePlan = try GateBriefing(environment)
        let transferLog = try SupervisorResources.openTransferLog(environment.configuration)
        current.withLock { $0 = environment.configuration }
        perform { $0.reload(plan, transferLog: transferLog, gatePlan) }
    }

    /// Replaces all workers by fresh ones; running transfers end at the old ones.
    package func restart() async throws(Failure) {
        let failure: Failure? = await withCheckedContinuation { continuation in
            perform { $0.restart { continuation.resume(returning: $0) } }
        }
        if let failure { throw failure }
    }

    /// Turns new sessions away, or admits them again.
    package func hold(_ on: Bool) {
        isHolding.store(on, ordering: .relaxed)
        perform { $0.hold(on) }
    }

    /// Whether a new session would be admitted, for `/readyz`.
    package var isServing: Bool {
        !isHolding.load(ordering: .relaxed) && metrics.withLock { ($0?.workers ?? 0) > 0 }
    }

    /// For `ffsctl status`.
    package var counts: [DaemonStatus.Reply.Value] { metrics.withLock { $0?.counts ?? [] } }

    /// Sessions at all workers now.
    var sessionCount: Int { metrics.withLock { $0?.sessions ?? 0 } }

    /// The answers of all workers.
    package func ask(_ question: Element) async -> [Element] {
        await withCheckedContinuation { continuation in
            perform { $0.ask(question) { continuation.resume(returning: $0) } }
        }
    }

    /// For `ffsctl ftp limits`.
    var limits: [(option: String, value: String)] {
        let configuration = current.withLock { $0 }
        let shown: [any AnyOption] = [
            Options.FTP.sessions, Options.FTP.sessionsPerAddress, Options.FTP.sessionsPerAccount,
            Options.FTP.serverRate, Options.FTP.accountRate, Options.FTP.sessionRate,
        ]
        return configuration.settings.filter { setting in shown.contains { $0.key == setting.option.key } }
            .map { ($0.option.key, $0.text) }
    }

    /// Returns once the supervisor's thread has taken a job, or the task was cancelled.
    func prove() async {
        let (taken, notice) = AsyncStream<Void>.makeStream()
        perform { _ in notice.finish() }
        for await _ in taken {}
    }

    private func perform(_ job: @escaping @Sendable (Supervisor) -> Void) {
        guard let supervisor = supervisor.withLock({ $0 }) else { return }
        mailbox.withLock { $0 }?.post { _ in job(supervisor.value) }
    }
}
