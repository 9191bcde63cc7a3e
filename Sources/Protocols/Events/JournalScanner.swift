/// Reads a segment from some place on, as its bytes come. Nothing is judged too early: what cannot be read is a gap only
/// when a record follows it or the segment is sealed; before, it may be a write that is under way.
package struct JournalScanner: Sendable {
    package enum Item: Sendable, Hashable {
        case record(offset: UInt64, bytes: [UInt8])
        /// Bytes that are no records, from here to there.
        case gap(Range<UInt64>)
    }

    private let salt: UInt32
    /// Where the next frame begins: everything before has been handed out.
    package private(set) var offset: UInt64
    /// How far it was looked for a record behind something unreadable, so that a long gap is walked once.
    private var searched: UInt64

    package init(salt: UInt32, offset: UInt64 = UInt64(JournalHeader.length)) {
        self.salt = salt
        self.offset = offset
        searched = offset
    }

    /// Hands out what `bytes`, which lie at ``offset``, hold, up to `limit` items and as many bytes of records.
    ///
    /// - Parameter isSealed: nothing will ever follow these bytes.
    package mutating func scan(
        _ bytes: UnsafeRawBufferPointer, isSealed: Bool, limit: Int = .max, byteLimit: Int = .max
    ) -> [Item] {
        var items: [Item] = []
        var taken = 0
        let base = offset
        while items.count < limit, taken < byteLimit {
            let place = Int(offset - base)
            guard place < bytes.count else { break }
            switch JournalFrame.read(UnsafeRawBufferPointer(rebasing: bytes[place...]), salt: salt, at: offset) {
            case .record(let count):
                items.append(.record(offset: offset, bytes: Array(bytes[(place + 8)..<(place + 8 + count)])))
                taken += count
                offset += UInt64(JournalFrame.length(count))
                searched = offset
            case .incomplete, .bad:
                guard let next = nextRecord(in: bytes, base: base, isSealed: isSealed) else { return items }
                items.append(.gap(offset..<next))
                offset = next
                searched = next
            }
        }
        return items
    }

    /// Where a record begins behind what cannot be read: the end, if the segment is sealed and there is none.
    private mutating func nextRecord(in bytes: UnsafeRawBufferPointer, base: UInt64, isSealed: Bool) -> UInt64? {
        let step = UInt64(JournalFrame.alignment)
        var place = max(searched, offset + step)
        let end = base + UInt64(bytes.count)
        while place < end {
            switch JournalFrame.read(
                UnsafeRawBufferPointer(rebasing: bytes[Int(place - base)...]), salt: salt, at: place)
            {
            case .record: return place
            case .bad: place += step
            case .incomplete:
                // May still become one; only what is surely none need not be looked at again.
                guard isSealed else {
                    searched = place
                    return furtherRecord(in: bytes, base: base, from: place + step)
                }
                place += step
            }
        }
        searched = min(place, end & ~(step - 1))
        return isSealed ? end : nil
    }

    private func furtherRecord(in bytes: UnsafeRawBufferPointer, base: UInt64, from: UInt64) -> UInt64? {
        var place = from
        while place < base + UInt64(bytes.count) {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[Int(place - base)...])
            if case .record = JournalFrame.read(rest, salt: salt, at: place) { return place }
            place += UInt64(JournalFrame.alignment)
        }
        return nil
    }
}
