import FFSModel
import HeapModule
import Logging
import StoredFormats
import SystemSupport

/// Removes what is left of withdrawn accounts, on a thread of its own: however large a tree is, no account waits for it
/// to expire.
final class AccountReaper: Sendable {
    /// A name in `.withdrawn`, and when it has to go.
    private struct Due: Comparable {
        /// Seconds since 1970.
        let time: Int64
        let name: CPath
        static func < (a: Due, b: Due) -> Bool { a.time < b.time }
    }

    private struct State {
        var due = Heap<Due>()
        /// Something lies in `.withdrawn` that is no account.
        var hasDiscarded = false
        var isWoken = false
        var isStarted = false
        var isStopping = false
        var hasStopped = false
    }

    private let store: AccountStore
    private let clock: StagingClock
    private let logger: Logger
    private let trees: TreeReaper
    private let remember: Int64
    private let state = Monitor(State())

    /// Seconds until something that could not be removed is tried again.
    private static let retryDelay: Int64 = 60

    /// - Parameters:
    ///   - rate: files a second.
    ///   - remember: seconds that a record outlives its account.
    init(store: AccountStore, clock: StagingClock, logger: Logger, rate: Int, remember: Int) {
        self.store = store
        self.clock = clock
        self.logger = logger
        self.remember = Int64(remember)
        trees = TreeReaper(rate: rate)
    }

    func start() throws(Failure) {
        state.withLock { $0.isStarted = true }
        do { try SystemThread(name: "reaper") { [self] in work() }.detach() } catch {
            state.withLock { $0.isStarted = false }
            throw error.failure("cannot start the reaper's thread")
        }
    }

    func stop() {
        let isStarted = state.withLock(wake: .all) { state in
            state.isStopping = true
            return state.isStarted
        }
        if isStarted { _ = state.wait { $0.hasStopped ? true : nil } }
    }

    /// Puts a withdrawn account on the list.
    func schedule(_ record: AccountRecord) {
        let since = record.withdrawn ?? record.expires
        let time: Int64 =
            switch record.policy {
            case .finish, .cut: since.seconds
            case .grace(let seconds): since.seconds + Int64(seconds)
            }
        schedule(CPath(record.account.text), at: time)
    }

    private func schedule(_ name: CPath, at time: Int64) {
        state.withLock(wake: .all) { state in
            state.due.insert(Due(time: time, name: name))
            state.isWoken = true
        }
    }

    /// Something new lies in `.withdrawn` that is no account.
    func reapDiscarded() {
        state.withLock(wake: .all) { state in
            state.hasDiscarded = true
            state.isWoken = true
        }
    }

    private var isStopping: Bool { state.withLock { $0.isStopping } }

    private func work() {
        while !isStopping {
            reap()
            _ = state.wait(timeout: 250_000_000) { state -> Bool? in
                guard state.isWoken || state.isStopping else { return nil }
                state.isWoken = false
                return true
            }
        }
        state.withLock(wake: .all) { $0.hasStopped = true }
    }

    private func reap() {
        if state.withLock({ state in
            defer { state.hasDiscarded = false }
            return state.hasDiscarded
        }) {
            reapAllDiscarded()
        }
        while let name = nextDue() {
            do throws(SystemError) { try reap(name) } catch {
                logger.error("cannot remove what is left of an account: \(error)", metadata: ["name": "\(name)"])
                schedule(name, at: clock.now().seconds + Self.retryDelay)
            }
        }
    }

    private func nextDue() -> CPath? {
        let now = clock.now().seconds
        return state.withLock { state in
            guard !state.isStopping, let first = state.due.min, first.time <= now else { return nil }
            return state.due.removeMin().name
        }
    }

    private func reapAllDiscarded() {
        do throws(SystemError) {
            let area = try store.withdrawn.open(".", [.read, .directory])
            for entry in try area.entries() where AccountArea.account(directory: entry.name.bytes) == nil {
                try trees.remove(entry.name, from: area) { self.isStopping }
            }
        } catch {
            // What stays is found again with the next discarded tree, or at the next start.
            logger.error("cannot remove an unfinished tree: \(error)")
        }
    }

    /// First the tree goes; the record, which tells repeated requests that the account is gone, when its time is up.
    private func reap(_ name: CPath) throws(SystemError) {
        let folder: Descriptor
        do throws(SystemError) { folder = try store.withdrawn.open(name, [.read, .directory]) } catch {
            if error.errno == .noEntry { return }
            throw error
        }
        try trees.remove(CPath(AccountArea.root), from: folder) { self.isStopping }
        try trees.remove(CPath(AccountArea.index), from: folder) { self.isStopping }
        guard !isStopping else { return }
        let record = (try? folder.readFile(CPath(AccountArea.record), limit: AccountRecord.sizeLimit))
            .flatMap { $0 }.flatMap { try? AccountRecord(bytes: $0) }
        let end = record.map { max(($0.withdrawn ?? $0.expires).seconds, $0.created.seconds) + remember } ?? 0
        if end <= clock.now().seconds {
            try trees.remove(name, from: store.withdrawn) { self.isStopping }
        } else {
            state.withLock { $0.due.insert(Due(time: end, name: name)) }
        }
    }
}
