import Events
import FFSModel
import Journal
import Synchronization
import SystemSupport

/// What may happen before the last byte of a download goes out.
package enum Settlement: Sendable, Hashable {
    case settled
    /// It waits for the disk.
    case pending
    /// The last byte must not go out.
    case failed(String)
}

/// One download's place in the journal. It is recorded as completed before its last byte goes out, or as aborted at its
/// end, and never as both: what is whole at the client has exactly one record. From whichever thread.
package final class DownloadRecord: Sendable {
    private let recorder: Recorder
    /// As it began.
    private let event: TransferEvent
    private let subject: EventSubject
    /// Of the file, in the order in which they are sent; several for an answer with several parts.
    private let ranges: [Range<UInt64>]
    private let id: EventID
    private let began = SystemClock.monotonic()
    /// Whether its record must be on disk.
    let isMetered: Bool
    private let state = Mutex(State())

    private struct State {
        var isSettled = false
        var isOver = false
        var hasStarted = false
        var slot: Int?
    }

    init(
        _ event: TransferEvent, of subject: EventSubject, ranges: [Range<UInt64>], isMetered: Bool, recorder: Recorder
    ) {
        self.recorder = recorder
        self.event = event
        self.subject = subject
        self.ranges = ranges
        self.isMetered = isMetered
        id = recorder.nextID()
        recorder.began()
    }

    deinit { recorder.ended() }

    private var isVerbatim: Bool { !event.isASCII && !event.isDeflated }

    private func record(_ type: EventType, _ event: TransferEvent, id: EventID) -> [UInt8] {
        event.record(type, id: id, time: SystemClock.nanosecondsSince1970(), of: subject, isMetered: isMetered)
    }

    // MARK: Its end

    /// All but its last byte was sent.
    ///
    /// - Parameters:
    ///   - bytes: that will have been sent.
    ///   - synced: called after ``Settlement/pending``, on a thread of the journal's: nil, or why the last byte must not go.
    func complete(bytes: UInt64, tls: TransferEvent.TLS?, synced: @escaping @Sendable (String?) -> Void) -> Settlement {
        let slot = state.withLock { state in
            state.isSettled = true
            return state.slot
        }
        if let slot { recorder.running.settling(slot) }
        let elapsed = SystemClock.monotonic() - began
        let records = ranges.enumerated().map { index, range in
            var event = event
            event.nanoseconds = elapsed
            event.isComplete = true
            event.tls = tls
            event.offset = range.lowerBound
            event.bytes = isVerbatim ? UInt64(range.count) : bytes
            event.to = isVerbatim ? nil : range.upperBound
            return record(.downloadCompleted, event, id: index == 0 ? id : recorder.nextID())
        }
        switch recorder.append(records) {
        case .counted: return .settled
        case .refused(let why):
            state.withLock { $0.isSettled = false }
            return .failed(why)
        case .written(let number):
            guard isMetered else { return .settled }
            recorder.sync(through: number, synced)
            return .pending
        }
    }

    /// It is over. What was not completed is recorded as aborted, with what was sent of each range.
    func end(sent: UInt64, tls: TransferEvent.TLS?, why: String?) {
        let (slot, isAborted) = state.withLock { state -> (Int?, Bool) in
            defer { state = State(isSettled: state.isSettled, isOver: true, hasStarted: state.hasStarted) }
            return (state.slot, !state.isOver && !state.isSettled)
        }
        if let slot, isAborted { recorder.running.settling(slot) }
        if isAborted { _ = recorder.append(aborts(sent: sent, tls: tls, why: why)) }
        if let slot { recorder.running.end(slot) }
    }

    private func aborts(sent: UInt64, tls: TransferEvent.TLS?, why: String?) -> [[UInt8]] {
        var left = sent
        var records: [[UInt8]] = []
        for range in ranges where records.isEmpty || left > 0 {
            let part = min(left, UInt64(range.count))
            left -= part
            var event = event
            event.nanoseconds = SystemClock.monotonic() - began
            event.tls = tls
            event.end = why
            event.offset = range.lowerBound
            event.bytes = isVerbatim ? part : sent
            // Nobody knows where in the file the bytes on the wire end.
            event.to = isVerbatim ? nil : range.lowerBound
            records.append(record(.downloadAborted, event, id: records.isEmpty ? id : recorder.nextID()))
        }
        return records
    }

    // MARK: Under way

    /// It is not over at once: should this process die, the supervisor records it. False when there are too many.
    func goesOn() -> Bool {
        guard state.withLock({ !$0.isSettled && !$0.isOver && $0.slot == nil }) else { return true }
        var event = event
        event.path = Array(event.path.prefix(Self.longestPath))
        event.bytes = 0
        let record = record(.downloadAborted, event, id: id)
        return state.withLock { state in
            guard state.slot == nil, !state.isOver else { return true }
            state.slot = recorder.running.begin(record, at: began, from: event.offset)
            if state.isSettled, let slot = state.slot { recorder.running.settling(slot) }
            return state.slot != nil
        }
    }

    /// Bytes of a path in a slot.
    private static let longestPath = 400
    /// Nanoseconds after which a download is one that lasts.
    private static let lasting: Int64 = 5_000_000_000

    /// Once a second while it runs.
    func progressed(sent: UInt64, tls: TransferEvent.TLS?) {
        let isStart = state.withLock { state -> Bool in
            guard !state.isOver, !state.isSettled else { return false }
            if let slot = state.slot, isVerbatim { recorder.running.progressed(slot, to: self.event.offset + sent) }
            guard !state.hasStarted, SystemClock.monotonic() - began >= Self.lasting else { return false }
            state.hasStarted = true
            return true
        }
        guard isStart else { return }
        var event = event
        event.nanoseconds = SystemClock.monotonic() - began
        event.tls = tls
        event.bytes = sent
        event.to = isVerbatim ? nil : event.offset
        _ = recorder.append(record(.downloadStarted, event, id: recorder.nextID()))
    }
}
