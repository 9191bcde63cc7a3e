package import FFSModel
package import Logging
import Repository
import Requests
import StoredFormats
import Synchronization
import SystemSupport

extension StagingClock {
    /// The system's clocks.
    package static var system: StagingClock {
        StagingClock(now: { SystemClock.now() }, steady: { SystemClock.sinceBoot() / 1_000_000_000 })
    }
}

/// Builds, extends, withdraws and reaps accounts.
///
/// File system work runs on threads of its own: the building threads make trees, the committing thread makes them
/// durable and public, the keeper expires and reaps.
package final class StagingEngine: Sendable {
    let settings: StagingSettings
    let logger: Logger
    let clock: StagingClock
    let repository: Repository
    let store: AccountStore
    let index: AccountIndex
    let plans: PlanCache
    let builder: TreeBuilder
    let publisher: Publisher
    /// nil where nothing is recorded.
    let recorder: AccountRecorder?
    let scheduler: BuildScheduler
    /// Reads large versions.
    let loading: BuildScheduler
    /// Applies changes.
    let changing: BuildScheduler
    let committer: Committer
    let credentials: AccountCredentials
    let keeper: AccountKeeper
    /// Creations on their way, with everyone who waits for them: a request that is repeated while it runs joins in.
    let underway = Mutex<[AccountID: [Waiter]]>([:])

    typealias Waiter = CheckedContinuation<Result<StagedAccount, Failure>, Never>

    /// Opens repository and account area, mends what a crash left (``Reconciler``) and starts the threads.
    ///
    /// - Throws: `configuration`, `denied`, … with what to do.
    package convenience init(
        settings: StagingSettings, logger: Logger, clock: StagingClock = .system
    ) throws(Failure) {
        try self.init(settings: settings, logger: logger, clock: clock, disk: nil)
    }

    /// - Parameters:
    ///   - disk: what stands for the account area's disk; nil for itself.
    ///   - desk: who knows whether orders stand; nil where no change feed is followed.
    ///   - recorder: nil where nothing is recorded.
    init(
        settings: StagingSettings, logger: Logger, clock: StagingClock, disk: CommitDisk? = nil,
        desk: OrderDesk? = nil, recorder: AccountRecorder? = nil
    ) throws(Failure) {
        self.settings = settings
        self.logger = logger
        self.clock = clock
        let owner: SystemUser?
        do { owner = try SystemUser(named: settings.owner) } catch { throw error.failure("cannot look up the user") }
        repository = try Repository(path: settings.repository, owner: owner)
        store = try AccountStore(path: settings.accounts)
        credentials = try AccountCredentials.load(directory: settings.stateDirectory)
        let linker = try ObjectLinker(repository: repository, ceiling: settings.linkCeiling)
        plans = PlanCache(linker: linker, clock: clock.now)
        builder = TreeBuilder(store: store, linker: linker)
        index = AccountIndex(customerLimit: settings.accountsPerCustomer, hourLimit: settings.accountsPerHour)
        let reaper = AccountReaper(
            store: store, clock: clock, logger: logger, rate: settings.reapRate, remember: settings.remember)
        keeper = AccountKeeper(
            store: store, index: index, reaper: reaper, recorder: recorder, clock: clock, logger: logger)
        publisher = Publisher(store: store, index: index, desk: desk)
        self.recorder = recorder
        scheduler = try BuildScheduler(threads: settings.threads, limit: settings.queue, name: "build")
        loading = try BuildScheduler(threads: 1, limit: settings.queue, name: "plans")
        changing = try BuildScheduler(threads: 1, limit: settings.queue, name: "changes")
        let area: CommitDisk
        if let disk { area = disk } else { area = try .real(store) }
        committer = try Committer(publisher: publisher, disk: area)
        try keeper.start()
    }

    /// Finishes what was begun, refuses new work and ends all threads. Blocks.
    package func stop() {
        // What was loaded is then built, what was built published.
        loading.stop()
        scheduler.stop()
        committer.stop()
        changing.stop()
        keeper.stop()
        recorder?.stop()
        builder.linker.stop()
        store.unlock()
    }

    /// The account area's path.
    package var accountsPath: String { store.path }
}
