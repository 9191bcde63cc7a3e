import FFSModel
import Logging
import StoredFormats
import Synchronization
import SystemSupport

/// Ends accounts when their time comes, and watches the clock. One thread; `changing` keeps it and the requests that
/// change accounts apart.
final class AccountKeeper: Sendable {
    private struct State {
        var isStarted = false
        var isStopping = false
        var hasStopped = false
    }

    let store: AccountStore
    let index: AccountIndex
    let reaper: AccountReaper
    let recorder: AccountRecorder?
    private let clock: StagingClock
    let logger: Logger
    private let state = Monitor(State())
    private let changes = Mutex<Void>(())

    /// Seconds until an account that could not be ended is tried again.
    private static let retryDelay: Int64 = 10

    init(
        store: AccountStore, index: AccountIndex, reaper: AccountReaper, recorder: AccountRecorder?,
        clock: StagingClock, logger: Logger
    ) {
        self.store = store
        self.index = index
        self.reaper = reaper
        self.recorder = recorder
        self.clock = clock
        self.logger = logger
    }

    /// Clears what a crash left half-built and starts the threads; the keeper's first reads the whole area.
    func start() throws(Failure) {
        try sweepUnfinished()
        try reaper.start()
        state.withLock { $0.isStarted = true }
        do { try SystemThread(name: "keeper") { [self] in work() }.detach() } catch {
            state.withLock { $0.isStarted = false }
            throw error.failure("cannot start the account keeper's thread")
        }
    }

    /// Runs `body` while no other change of an existing account runs.
    func changing<Result: Sendable>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        try changes.withLock { _ throws(Failure) in try body() }
    }

    /// Ends an account: no login from now on. Call inside `changing`.
    ///
    /// - Parameter rewrite: whether the record on disk must first be told when and how; a natural expiry needs no
    ///   telling, as the record has its own time and policy.
    func withdraw(_ record: AccountRecord, rewrite: Bool) throws(Failure) {
        do throws(SystemError) {
            if rewrite { try store.rewrite(record) }
            _ = try store.withdraw(record.account)
        } catch { throw error.failure("cannot withdraw account \(record.account)") }
        // It is no account any more, whatever becomes of the rest.
        index.remove(record.account)
        reaper.schedule(record)
        guard rewrite else { return }
        do throws(SystemError) {
            try store.withdrawn.sync()
            try store.root.sync()
        } catch {
            throw error.failure(
                "account \(record.account) is withdrawn, but could come back with a power cut, as the disk does not confirm it"
            )
        }
    }

    func stop() {
        let isStarted = state.withLock(wake: .all) { state in
            state.isStopping = true
            return state.isStarted
        }
        if isStarted { _ = state.wait { $0.hasStopped ? true : nil } }
        reaper.stop()
    }

    var isStopping: Bool { state.withLock { $0.isStopping } }

    private func work() {
        readArea()
        var offset = clock.now().seconds - clock.steady()
        while !isStopping {
            offset = watchClock(offset)
            expire()
            recorder?.advance()
            _ = state.wait(timeout: 250_000_000) { state -> Bool? in state.isStopping ? true : nil }
        }
        state.withLock(wake: .all) { $0.hasStopped = true }
    }

    /// Logs when wall time moved against the steady clock. Expiry goes on by wall time: what was withdrawn stays so.
    private func watchClock(_ offset: Int64) -> Int64 {
        let now = clock.now().seconds - clock.steady()
        if abs(now - offset) > 60 {
            logger.warning(
                "the system clock was set \(now > offset ? "forward" : "back") by \(abs(now - offset)) s; accounts expire by the new time, withdrawn ones stay withdrawn",
                metadata: ["step": "\(now - offset)"])
        }
        return now
    }

    /// Ends every account whose time has come.
    func expire() {
        while !isStopping {
            let due = index.expired(at: clock.now(), limit: 100)
            if due.isEmpty { return }
            for account in due {
                do throws(Failure) { try changing { () throws(Failure) in try expire(account) } } catch {
                    // It cannot be used any more; listed it stays until it is out of the area.
                    index.retry(account, at: clock.now() + Self.retryDelay)
                    logger.error(
                        "cannot end an account, which is tried again: \(error)", metadata: ["account": "\(account)"])
                }
            }
        }
    }

    private func expire(_ account: AccountID) throws(Failure) {
        let found: AccountStore.Found?
        do throws(Failure) { found = try store.find(account) } catch {
            guard error.code == .corrupt else { throw error }
            try discard(account, error.text)
            return index.remove(account)
        }
        guard case .live(let record)? = found else { return index.remove(account) }
        if record.isLive(at: clock.now()) { return index.add(record) }
        // Its time is over whatever becomes of the rest, so this is true already; after a crash it is recorded again.
        try recorder?.expired(record)
        try withdraw(record, rewrite: false)
        logger.info("account expired", metadata: ["account": "\(account)"])
    }
}
