import Events
import Synchronization
package import SystemSupport

/// What a worker has under way, in memory that outlives it: the supervisor records what a dead worker cannot.
///
/// A slot of fixed size for each download that is not over at once; it holds the record of an abort, which the supervisor
/// takes apart as it would any stranger's bytes. A worker writes its slots from all of its threads; the supervisor reads
/// them when it is gone.
///
///     8 bytes   slots that were ever used
///     then slots: state (8), time it began (8), first byte not sent (8), length (8), record
package final class RunningTable: Sendable {
    private static let slots = 16_384
    private static let slotSize = 1_024
    private static let head = 32
    /// Bytes of memory for one worker; pages that are never used cost nothing.
    package static let size = slotSize * (slots + 1)
    /// Bytes of a record that fits.
    static let longest = slotSize - head

    private enum Phase { static let free: Int64 = 0, running: Int64 = 1, settling: Int64 = 2 }

    private let memory: SharedMemory
    private let free = Mutex(Free())

    private struct Free {
        var list: [Int] = []
        var used = 0
    }

    package init(_ memory: SharedMemory) { self.memory = memory }

    private static func place(_ slot: Int) -> Int { (slot + 1) * slotSize }

    // MARK: The worker's side

    /// nil when there are too many.
    func begin(_ record: [UInt8], at time: Int64, from: UInt64) -> Int? {
        guard record.count <= Self.longest else { return nil }
        let slot = free.withLock { free -> Int? in
            if let slot = free.list.popLast() { return slot }
            guard free.used < Self.slots else { return nil }
            free.used += 1
            memory.store(Int64(free.used), at: 0)
            return free.used - 1
        }
        guard let slot else { return nil }
        let place = Self.place(slot)
        memory.copy(record, to: place + Self.head)
        memory.store(time, at: place + 8)
        memory.store(Int64(clamping: from), at: place + 16)
        memory.store(Int64(record.count), at: place + 24)
        memory.store(Phase.running, at: place)
        return slot
    }

    func progressed(_ slot: Int, to: UInt64) { memory.store(Int64(clamping: to), at: Self.place(slot) + 16) }

    /// Its record is being written: the supervisor looks whether it was.
    func settling(_ slot: Int) { memory.store(Phase.settling, at: Self.place(slot)) }

    func end(_ slot: Int) {
        memory.store(Phase.free, at: Self.place(slot))
        free.withLock { $0.list.append(slot) }
    }

    // MARK: The supervisor's side

    /// What a worker that is gone had under way.
    struct Left {
        var event: Event
        /// Whether its own record may stand in the journal already.
        let mayBeRecorded: Bool
    }

    /// - Parameter now: nanoseconds of the clock that ``begin(_:at:from:)`` was given.
    static func left(in memory: SharedMemory, now: Int64) -> [Left] {
        (0..<min(max(0, Int(memory.load(at: 0))), slots)).compactMap { slot in
            let place = place(slot)
            let phase = memory.load(at: place)
            guard phase == Phase.running || phase == Phase.settling else { return nil }
            let length = min(max(0, Int(memory.load(at: place + 24))), longest)
            guard var event = try? Event(record: memory.bytes(at: place + head, count: length)),
                event.type == .downloadAborted
            else { return nil }
            event.set(.to, UInt64(max(0, memory.load(at: place + 16))))
            event.set(.duration, UInt64(max(0, now - memory.load(at: place + 8))))
            event.set(.reason, "the process that served it ended")
            return Left(event: event, mayBeRecorded: phase == Phase.settling)
        }
    }
}
