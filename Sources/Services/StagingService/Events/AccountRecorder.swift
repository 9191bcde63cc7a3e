import ChangeFeed
import Events
import FFSModel
import Journal
import Logging
import StoredFormats
import Synchronization
import SystemSupport

/// Records what happens to accounts, so that nothing which an account shows is missing from the log.
///
/// An account changes first and is recorded after; between the two the daemon can die. So the next start records again what
/// accounts show to have happened since the mark: a moment before which every event is in the journal, and on disk. The ids of
/// the events follow from the accounts, and the log keeps each id once.
final class AccountRecorder: Sendable {
    private struct State {
        /// Accounts being made, with the times that their records will have.
        var making: [AccountID: Timestamp] = [:]
        var hasReadArea = false
        /// Something could not be recorded: the mark stays, and the next start tries again.
        var isBehind = false
        /// Something was recorded since the mark was moved.
        var hasNews = false
        var nextMark: Int64 = 0
    }

    private let journal: Journal
    private let directory: String
    private let clock: StagingClock
    private let logger: Logger
    /// What happened before this is in the journal.
    private let mark: Timestamp
    /// What happened after this is recorded by this process.
    private let started: Timestamp
    private let state = Mutex(State())

    /// Seconds by which a change can be older than the event that tells of it, steps of the clock aside.
    private static let slack: Int64 = 120
    /// Seconds between two marks.
    private static let interval: Int64 = 10
    private static let name: CPath = "events-mark"

    /// - Parameter directory: where the mark is kept; a missing one has everything recorded that the area shows.
    init(journal: Journal, directory: String, clock: StagingClock, logger: Logger) throws(Failure) {
        self.journal = journal
        self.directory = directory
        self.clock = clock
        self.logger = logger
        started = clock.now()
        let text: [UInt8]?
        do throws(SystemError) {
            text = try Descriptor.open(CPath(directory), [.read, .directory]).readFile(Self.name, limit: 64)
        } catch { throw error.failure("cannot read \(directory)/\(Self.name)") }
        let seconds = text.flatMap { Int64(String(decoding: $0, as: UTF8.self).prefix { $0.isNumber }) }
        mark = Timestamp(seconds: (seconds ?? 0) - Self.slack)
    }

    /// Throws why nothing new may begin that could not be recorded.
    func admit() throws(Failure) { try journal.admit() }

    // MARK: - What happens

    /// An account with this record is being made.
    func begin(_ record: AccountRecord) { state.withLock { $0.making[record.account] = record.created } }
    func end(_ record: AccountRecord) { state.withLock { $0.making[record.account] = nil } }

    /// Before anybody is told of it. Throws when it cannot be recorded; then the account must not stay.
    func staged(_ record: AccountRecord) throws(Failure) {
        state.withLock { $0.hasNews = true }
        for event in AccountEvents.staged(record) { try journal.record(event) }
    }

    /// Before the account is taken away.
    func expired(_ record: AccountRecord) throws(Failure) {
        state.withLock { $0.hasNews = true }
        try journal.record(AccountEvents.expired(record))
    }

    func extended(_ record: AccountRecord) { note(AccountEvents.extended(record)) }

    /// - Parameters:
    ///   - reason: in a sentence; nil when somebody asked for it.
    ///   - actor: `uid 0`; nil for the customer.
    func revoked(_ record: AccountRecord, reason: String? = nil, actor: String? = nil) {
        var event = AccountEvents.revoked(record)
        event?.set(.reason, reason)
        event?.set(.actor, actor)
        note(event)
    }

    /// A row of the change feed concerned so many accounts, which have been looked at.
    func applied(_ row: FeedRow, accounts: Int) {
        var event = Event(.changeApplied, time: clock.now().seconds * 1_000_000_000)
        event.set(.change, UInt64(row.position.number))
        event.set(.entity, row.entity.rawValue)
        event.set(.outcome, "ok")
        event.set(.count, UInt64(accounts))
        event.set(.customer, row[.customer])
        event.set(.product, row[.product])
        event.set(.version, row[.version])
        note(event)
    }

    /// What has been done is not undone because it cannot be recorded: the next start does that.
    private func note(_ event: Event?) {
        guard let event else { return }
        state.withLock { $0.hasNews = true }
        do throws(Failure) { try journal.record(event) } catch {
            state.withLock { $0.isBehind = true }
            logger.error("\(event.type) was not recorded, which the next start makes up for: \(error)")
        }
    }

    // MARK: - What a crash may have left out

    /// Records again what the record shows to have happened since the mark and before this process.
    func again(_ record: AccountRecord) {
        var events: [Event] = []
        if isOpen(record.created) { events += AccountEvents.staged(record) }
        if let time = record.extendedAt, isOpen(time), let event = AccountEvents.extended(record) {
            events.append(event)
        }
        if let time = record.withdrawn, isOpen(time), let event = AccountEvents.revoked(record) { events.append(event) }
        for event in events { note(event) }
    }

    private func isOpen(_ time: Timestamp) -> Bool { time >= mark && time <= started }

    /// Every record has been seen: from now on the mark moves.
    func hasReadArea() { state.withLock { $0.hasReadArea = true } }

    /// Moves the mark, now and then.
    func advance() {
        let now = clock.steady()
        let isDue = state.withLock { state in
            guard state.hasReadArea, state.hasNews, !state.isBehind, now >= state.nextMark else { return false }
            state.nextMark = now + Self.interval
            state.hasNews = false
            return true
        }
        if isDue { moveMark(ahead: 0) }
    }

    /// - Parameter ahead: seconds that whoever reads the mark takes off it.
    private func moveMark(ahead: Int64) {
        let mark = state.withLock { state in state.making.values.min().map { min($0, clock.now()) } ?? clock.now() }
        do throws(Failure) {
            try journal.sync()
            do throws(SystemError) {
                let folder = try Descriptor.open(CPath(directory), [.read, .directory])
                let temporary = CPath("\(Self.name).new")
                do throws(SystemError) { try folder.unlink(temporary) } catch { /* There is none, as a rule. */  }
                try folder.writeFile(
                    temporary, Array("\(mark.seconds + ahead)\n".utf8), permissions: 0o600, durable: false)
                try folder.rename(temporary, to: folder, Self.name, ifExists: .replace)
            } catch { throw error.failure("cannot write \(directory)/\(Self.name)") }
        } catch {
            logger.error("the mark of recorded events stays where it is: \(error)")
        }
    }

    /// At the end: nothing is left for the next start.
    func stop() {
        if state.withLock({ $0.hasReadArea && !$0.isBehind }) { moveMark(ahead: Self.slack) }
        journal.stop()
    }
}
