import FFSModel
import Logging
import StoredFormats
import Synchronization
import SystemSupport

/// Ends accounts when their time comes, removes what is left of them at a bounded rate, and watches the clock.
/// One thread; `changing` keeps it and the requests that change accounts apart.
final class AccountKeeper: Sendable {
    private struct State {
        /// Withdrawn accounts whose tree or record has to go, by when. Names are those in `.withdrawn`.
        var due = Heap<(time: Int64, name: CPath)> { $0.time < $1.time }
        var isWoken = false
        var isStarted = false
        var isStopping = false
        var hasStopped = false
    }

    let store: AccountStore
    let index: AccountIndex
    private let clock: StagingClock
    let logger: Logger
    private let reaper: TreeReaper
    private let remember: Int64
    private let state = Monitor(State())
    private let changes = Mutex<Void>(())

    init(
        store: AccountStore, index: AccountIndex, clock: StagingClock, logger: Logger, reapRate: Int, remember: Int
    ) throws(Failure) {
        self.store = store
        self.index = index
        self.clock = clock
        self.logger = logger
        self.remember = Int64(remember)
        reaper = TreeReaper(rate: reapRate)
    }

    /// Clears what a crash left half-built and starts the thread, which first reads the whole area.
    func start() throws(Failure) {
        try sweepUnfinished()
        state.withLock { $0.isStarted = true }
        do { try SystemThread(name: "keeper") { [self] in work() }.detach() } catch {
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
            if rewrite {
                try store.withdrawn.sync()
                try store.root.sync()
            }
        } catch { throw error.failure("cannot withdraw account \(record.account)") }
        index.remove(record.account)
        schedule(record)
    }

    /// Puts a withdrawn account on the list of those to be reaped.
    func schedule(_ record: AccountRecord) {
        let since = record.withdrawn ?? record.expires
        let time: Int64 =
            switch record.policy {
            case .finish, .cut: since.seconds
            case .grace(let seconds): since.seconds + Int64(seconds)
            }
        state.withLock(wake: .all) { state in
            state.due.insert((time, CPath(record.account.text)))
            state.isWoken = true
        }
    }

    /// Something new lies in `.withdrawn` that is no account.
    func reapDiscarded() {
        state.withLock(wake: .all) { state in
            state.due.insert((Int64.min, "x-"))
            state.isWoken = true
        }
    }

    func stop() {
        let isStarted = state.withLock(wake: .all) { state in
            state.isStopping = true
            return state.isStarted
        }
        if isStarted { _ = state.wait { $0.hasStopped ? true : nil } }
    }

    var isStopping: Bool { state.withLock { $0.isStopping } }

    private func work() {
        readArea()
        var offset = clock.now().seconds - clock.steady()
        while !isStopping {
            offset = watchClock(offset)
            expire()
            reap()
            _ = state.wait(timeout: 250_000_000) { state -> Bool? in
                guard state.isWoken || state.isStopping else { return nil }
                state.isWoken = false
                return true
            }
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

    private func expire() {
        while !isStopping {
            let due = index.expired(at: clock.now(), limit: 100)
            if due.isEmpty { return }
            for account in due {
                do throws(Failure) {
                    try changing { () throws(Failure) in
                        guard case .live(let record) = try store.find(account) else { return index.remove(account) }
                        if record.isLive(at: clock.now()) { return index.add(record) }
                        try withdraw(record, rewrite: false)
                        logger.info("account expired", metadata: ["account": "\(account)"])
                    }
                } catch {
                    index.remove(account)
                    logger.error("cannot end an account: \(error)", metadata: ["account": "\(account)"])
                }
            }
        }
    }

    private func nextDue() -> CPath? {
        let now = clock.now().seconds
        return state.withLock { state in
            guard !state.isStopping, let first = state.due.first, first.time <= now else { return nil }
            return state.due.popFirst()?.name
        }
    }

    private func reap() {
        while let name = nextDue() {
            do throws(SystemError) {
                if name == "x-" { try reapAllDiscarded() } else { try reap(name) }
            } catch {
                logger.error("cannot remove what is left of an account: \(error)", metadata: ["name": "\(name)"])
            }
        }
    }

    private func reapAllDiscarded() throws(SystemError) {
        let area = try store.withdrawn.open(".", [.read, .directory])
        for entry in try area.entries() where AccountArea.account(directory: entry.name.bytes) == nil {
            try reaper.remove(entry.name, from: area) { self.isStopping }
        }
    }

    /// First the tree goes; the record, which tells repeated requests that the account is gone, when its time is up.
    private func reap(_ name: CPath) throws(SystemError) {
        let folder: Descriptor
        do throws(SystemError) { folder = try store.withdrawn.open(name, [.read, .directory]) } catch {
            if error.errno == .noEntry { return }
            throw error
        }
        try reaper.remove(CPath(AccountArea.root), from: folder) { self.isStopping }
        guard !isStopping else { return }
        let record = (try? folder.readFile(CPath(AccountArea.record), limit: AccountRecord.sizeLimit))
            .flatMap { $0 }.flatMap { try? AccountRecord(bytes: $0) }
        let end = record.map { max(($0.withdrawn ?? $0.expires).seconds, $0.created.seconds) + remember } ?? 0
        if end <= clock.now().seconds {
            try reaper.remove(name, from: store.withdrawn) { self.isStopping }
        } else {
            state.withLock { $0.due.insert((end, name)) }
        }
    }
}
