import Events
package import FFSModel
package import SystemSupport

/// Appends records to a segment that its owner made, from any thread of a process that may be confined: one write(2)
/// for each append, and one fdatasync(2) for all who wait for it at the same time.
///
/// What fails is never repeated as if nothing had happened: a failed write ends the segment, a failed sync too. Then
/// everything is refused until ``take(next:)`` brings the next one, whose first record says how many events are missing.
package final class JournalWriter: Sendable {
    private let state: Monitor<State>
    private let calls: JournalCalls

    private struct State {
        var current: Segment
        /// Replaced, and not yet synced.
        var closing: [Segment] = []
        /// Whose sync failed, the last few: whoever still waits for them is told.
        var failed: [ID128: JournalError] = [:]
        /// Events that were not recorded, or of which nobody knows, since ``lostSince``.
        var lost: UInt64 = 0
        var lostSince: Int64 = 0
        var reason = ""
        var buffer: [UInt8] = []
    }

    /// A segment with a descriptor of its own since its creation: errors of writing out are reported to that one.
    private final class Segment: @unchecked Sendable {
        // Sendable: all that changes is touched only while the writer's state is locked.
        let file: Descriptor
        let header: JournalHeader
        var end: UInt64
        var synced: UInt64
        var unsynced: UInt64 = 0
        var isSyncing = false
        var writeFailure: JournalError?
        var syncFailure: JournalError?

        init(_ file: consuming Descriptor) throws(JournalError) {
            do throws(SystemError) {
                let size = try file.status().size
                guard let header = JournalHeader(bytes: try file.readStart(JournalHeader.length)),
                    size >= JournalHeader.length, size % JournalFrame.alignment == 0
                else { throw SystemError("pread", .invalid) }
                self.header = header
                end = UInt64(size)
                synced = end
            } catch { throw .notASegment }
            self.file = file
        }
    }

    /// Writes to a segment fresh from ``JournalStream/create(_:)``.
    package init(segment: consuming Descriptor, calls: JournalCalls = .system) throws(JournalError) {
        self.calls = calls
        state = Monitor(State(current: try Segment(segment)))
    }

    /// The segment that is written to.
    package var segment: ID128 { state.withLock { $0.current.header.segment } }

    /// Whether the owner should hand over the next segment.
    package var wantsRoll: Bool {
        state.withLock { state in
            let header = state.current.header
            return state.current.writeFailure != nil || state.current.syncFailure != nil
                || state.current.end >= header.reserve - (header.reserve - UInt64(JournalHeader.length)) / 8
        }
    }

    /// Whether only what is under way may be recorded: under the policy `refuse` nothing new begins.
    package var isInReserve: Bool {
        state.withLock { state in
            state.current.writeFailure != nil || state.current.syncFailure != nil
                || state.current.end >= state.current.header.reserve
        }
    }

    /// Bytes that may still be written; none once a write or a sync has failed.
    package var room: Int {
        state.withLock { state in
            let current = state.current
            guard current.writeFailure == nil, current.syncFailure == nil else { return 0 }
            return Int(current.header.end - min(current.end, current.header.end))
        }
    }

    /// How many events are missing that no record tells of yet.
    package var lost: UInt64 { state.withLock { $0.lost } }

    @discardableResult
    package func append(_ record: [UInt8]) throws(JournalError) -> RecordNumber {
        try state.withLock { state throws(JournalError) in try append(CollectionOfOne(record), to: &state) }
    }

    /// All of them with one write(2); the number of the last.
    @discardableResult
    package func append(_ records: [[UInt8]]) throws(JournalError) -> RecordNumber {
        try state.withLock { state throws(JournalError) in try append(records, to: &state) }
    }

    private func append(
        _ records: some Collection<[UInt8]>, to state: inout State
    ) throws(JournalError) -> RecordNumber {
        let segment = state.current
        state.buffer.removeAll(keepingCapacity: true)
        var last = segment.end
        for record in records {
            guard (1...Event.longest).contains(record.count) else { throw .length }
            let index = state.buffer.count
            last = segment.end + UInt64(index)
            JournalFrame.append(record, salt: segment.header.salt, to: &state.buffer)
            JournalFrame.place(last, in: &state.buffer, at: index)
        }
        do throws(JournalError) {
            if let failure = segment.writeFailure ?? segment.syncFailure { throw failure }
            guard segment.end + UInt64(state.buffer.count) <= segment.header.end else { throw .full }
            try write(state.buffer, to: segment)
        } catch {
            if error != .full { segment.writeFailure = error }
            note(UInt64(records.count), error, in: &state)
            throw error
        }
        segment.end += UInt64(state.buffer.count)
        segment.unsynced += UInt64(records.count)
        return RecordNumber(segment: segment.header.segment, offset: last)
    }

    private func write(_ bytes: [UInt8], to segment: Segment) throws(JournalError) {
        let count: Int
        do throws(SystemError) {
            count = try bytes.withUnsafeBufferPointer { bytes throws(SystemError) in
                try calls.write(segment.file, UnsafeRawBufferPointer(bytes))
            }
        } catch { throw .failed(error) }
        // A write that was cut short has left a torn record: nothing may follow it.
        guard count == bytes.count else { throw .failed(SystemError("write", .noSpace)) }
    }

    private func note(_ count: UInt64, _ error: JournalError, in state: inout State) {
        if state.lost == 0 {
            state.lostSince = SystemClock.nanosecondsSince1970()
            state.reason = error.description
        }
        state.lost += count
    }

    /// Returns when the record, and all before it, survive a power failure.
    package func sync(through number: RecordNumber) throws(JournalError) {
        enum Step { case done, refused(JournalError), lead(Segment, UInt64) }
        let step: Step = state.wait { state in
            let segments = state.closing + [state.current]
            guard let segment = segments.first(where: { $0.header.segment == number.segment }) else {
                return state.failed[number.segment].map { .refused($0) } ?? .done
            }
            if segment.synced > number.offset { return .done }
            if let failure = segment.syncFailure { return .refused(failure) }
            if segment.isSyncing { return nil }
            segment.isSyncing = true
            return .lead(segment, segment.end)
        }
        switch step {
        case .done: return
        case .refused(let error): throw error
        case .lead(let segment, let end): try sync(segment, end)
        }
    }

    /// One fdatasync(2) for all that wait; all of them hear of its failure.
    private func sync(_ segment: Segment, _ end: UInt64) throws(JournalError) {
        let covered = state.withLock { _ in segment.unsynced }
        do throws(SystemError) { try calls.sync(segment.file) } catch {
            let failure = JournalError.failed(error)
            state.withLock(wake: .all) { state in
                segment.isSyncing = false
                segment.syncFailure = failure
                note(segment.unsynced, failure, in: &state)
            }
            throw failure
        }
        state.withLock(wake: .all) { _ in
            segment.isSyncing = false
            // What came since `end` was read is not promised to anybody.
            segment.synced = max(segment.synced, end)
            segment.unsynced -= min(covered, segment.unsynced)
        }
    }

    /// Later records go to `next`; returns the segment that may be sealed now, whose records are synced unless that failed.
    /// If events are missing, the first record says how many.
    @discardableResult
    package func take(next: consuming Descriptor) throws(JournalError) -> ID128 {
        let segment = try Segment(next)
        let old = state.withLock { state in
            let old = state.current
            state.closing.append(old)
            state.current = segment
            return old
        }
        if old.end > UInt64(JournalHeader.length) {
            let last = RecordNumber(segment: old.header.segment, offset: old.end - 1)
            do throws(JournalError) { try sync(through: last) } catch { /* Noted as lost; told to all who wait. */  }
        }
        state.withLock(wake: .all) { state in
            state.closing.removeAll { $0 === old }
            if let failure = old.syncFailure {
                if state.failed.count >= 64 { state.failed.removeAll() }
                state.failed[old.header.segment] = failure
            }
            tellLoss(in: &state)
        }
        return old.header.segment
    }

    private func tellLoss(in state: inout State) {
        guard state.lost > 0 else { return }
        var event = Event(.journalLoss, time: SystemClock.nanosecondsSince1970())
        event.set(.count, state.lost)
        event.set(.begun, UInt64(clamping: state.lostSince))
        event.set(.stream, state.current.header.stream)
        event.set(.reason, state.reason)
        let lost = state.lost
        do throws(JournalError) {
            _ = try append(CollectionOfOne(event.record), to: &state)
            state.lost = 0
        } catch { state.lost = lost }
    }
}
