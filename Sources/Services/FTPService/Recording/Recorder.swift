import Events
package import FFSModel
package import Journal
import Synchronization
package import SystemSupport

/// A worker's journal, written by all of its threads. Segments come from the supervisor, who is asked for the next one in
/// time; a thread of its own waits for the disk.
package final class Recorder: Sendable {
    /// What a worker that dies leaves under way.
    package let running: RunningTable
    private let state = Mutex(State())
    private let clerk: RecorderClerk
    /// Whether the work goes on, and events are counted, when they cannot be recorded (`pipeline.on-full: serve`).
    private let serves: Bool
    private let ids = EventIDs()
    /// Downloads under way.
    private let open = Atomic<Int>(0)
    let refusals = RefusedLogins()

    private struct State {
        /// nil until the first segment has come.
        var writer: JournalWriter?
        var hasAsked = false
        /// The supervisor could not make the segment that was asked for.
        var isWithout = false
        var ask: (@Sendable () -> Void)?
    }

    package init(running: RunningTable, serves: Bool) throws(SystemError) {
        self.running = running
        self.serves = serves
        clerk = try RecorderClerk()
    }

    /// Has the supervisor asked for the next segment, from any thread.
    package func whenSegmentIsWanted(_ ask: @escaping @Sendable () -> Void) { state.withLock { $0.ask = ask } }

    func nextID() -> EventID { ids.next() }

    // MARK: Records

    package enum Outcome: Sendable, Hashable {
        case written(RecordNumber)
        /// Not recorded, and the work goes on: a later record says how many are missing.
        case counted
        case refused(String)
    }

    package func append(_ record: [UInt8]) -> Outcome { append([record]) }

    /// All of them with one write.
    package func append(_ records: [[UInt8]]) -> Outcome {
        let writer = state.withLock { $0.writer }
        do throws(JournalError) {
            guard let writer else { throw .full }
            let number = records.count == 1 ? try writer.append(records[0]) : try writer.append(records)
            if writer.wantsRoll { wantSegment() }
            return .written(number)
        } catch {
            wantSegment()
            return serves ? .counted : .refused(error.description)
        }
    }

    /// Whether nothing new may begin: no segment comes after this one, and only its reserve is left, which is for what is
    /// under way. While one is on its way the reserve may be used, as long as what is under way fits.
    package var isRefusing: Bool {
        guard !serves else { return false }
        let (writer, isWithout) = state.withLock { ($0.writer, $0.isWithout) }
        guard let writer else { return true }
        if isWithout, writer.isInReserve { return true }
        return writer.room < (open.load(ordering: .relaxed) + 1) * Self.usual
    }

    /// Bytes that a record takes, with some to spare.
    private static let usual = 1_024

    func began() { open.wrappingAdd(1, ordering: .relaxed) }
    func ended() { open.wrappingSubtract(1, ordering: .relaxed) }

    /// `done` gets nil once the record survives a power failure, or why it may not; on the clerk's thread. Under the policy
    /// `serve` a failure is no reason to stop.
    func sync(through number: RecordNumber, _ done: @escaping @Sendable (String?) -> Void) {
        guard let writer = state.withLock({ $0.writer }) else { return done(nil) }
        let serves = serves
        clerk.post(.sync(writer, number) { done(serves ? nil : $0) })
    }

    // MARK: Segments

    private func wantSegment() {
        let ask = state.withLock { state -> (@Sendable () -> Void)? in
            guard !state.hasAsked else { return nil }
            state.hasAsked = true
            return state.ask
        }
        ask?()
    }

    /// The supervisor has none at present, and sends one as soon as it has.
    package func noSegment() { state.withLock { $0.isWithout = true } }

    /// Later records go to `segment`. `done` gets the one before, whose records are on disk, or nil; on the clerk's thread.
    package func take(_ segment: LentDescriptor, _ done: @escaping @Sendable (Result<ID128?, JournalError>) -> Void) {
        guard let writer = state.withLock({ $0.writer }) else {
            return done(Result { () throws(JournalError) in try first(segment) })
        }
        clerk.post(
            .take { [self] in
                done(
                    Result { () throws(JournalError) in
                        let old = try writer.take(next: try Self.own(segment))
                        state.withLock { state in
                            state.hasAsked = false
                            state.isWithout = false
                        }
                        return old
                    })
            })
    }

    private func first(_ segment: LentDescriptor) throws(JournalError) -> ID128? {
        let writer = try JournalWriter(segment: try Self.own(segment))
        state.withLock { state in
            state.writer = writer
            state.hasAsked = false
            state.isWithout = false
        }
        return nil
    }

    private static func own(_ segment: LentDescriptor) throws(JournalError) -> Descriptor {
        do throws(SystemError) { return try segment.duplicate() } catch { throw .failed(error) }
    }
}

/// The thread that waits for the disk: many downloads that end at the same time share one fdatasync(2), and none of the
/// threads that serve customers waits.
private final class RecorderClerk: Sendable {
    enum Job: Sendable {
        case sync(JournalWriter, RecordNumber, @Sendable (String?) -> Void)
        case take(@Sendable () -> Void)
    }

    private let jobs: Monitor<[Job]>

    init() throws(SystemError) {
        let jobs = Monitor<[Job]>([])
        self.jobs = jobs
        try SystemThread(name: "journal") {
            while true {
                let due = jobs.wait { jobs in
                    defer { jobs = [] }
                    return jobs.isEmpty ? nil : jobs
                }
                // The newest record's sync covers the others.
                for job in due.reversed() { Self.perform(job) }
            }
        }.detach()
    }

    func post(_ job: Job) { jobs.withLock(wake: .one) { $0.append(job) } }

    private static func perform(_ job: Job) {
        switch job {
        case .take(let body): body()
        case .sync(let writer, let number, let done):
            var failure: String?
            do throws(JournalError) { try writer.sync(through: number) } catch { failure = error.description }
            done(failure)
        }
    }
}

/// Ids for events, without a system call for each: a random start, and a count.
private final class EventIDs: Sendable {
    private let high = UInt64.random(in: 0 ... .max)
    private let low = Atomic(UInt64.random(in: 0 ... .max))

    func next() -> EventID { EventID(high: high, low: low.wrappingAdd(1, ordering: .relaxed).newValue) }
}
