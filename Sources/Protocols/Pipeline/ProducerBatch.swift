import Crypto
package import Events
package import FFSModel

/// The hash of all that a producer has handed over, entry by entry, so that both ends can compare where they stand and a
/// repeat that differs is seen at once: H₀ is 32 zeros, Hₙ = SHA-256(Hₙ₋₁ ‖ kind ‖ place ‖ what), where `what` is a
/// record's SHA-256 (kind 1), or a gap's end (kind 2).
package struct RunningHash: Sendable, Hashable {
    package private(set) var bytes: [UInt8]

    /// Before anything.
    package init() { bytes = [UInt8](repeating: 0, count: 32) }

    /// nil unless there are 32 bytes.
    package init?(bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self.bytes = bytes
    }

    package mutating func add(record: [UInt8], at offset: UInt64) {
        var hash = start(1, offset)
        SHA256.hash(data: record).withUnsafeBytes { hash.update(bufferPointer: $0) }
        bytes = Array(hash.finalize())
    }

    package mutating func add(gap: Range<UInt64>) {
        var hash = start(2, gap.lowerBound)
        withUnsafeBytes(of: gap.upperBound.bigEndian) { hash.update(bufferPointer: $0) }
        bytes = Array(hash.finalize())
    }

    private func start(_ kind: UInt8, _ offset: UInt64) -> SHA256 {
        var hash = SHA256()
        hash.update(data: bytes + [kind])
        withUnsafeBytes(of: offset.bigEndian) { hash.update(bufferPointer: $0) }
        return hash
    }
}

/// How far a producer's entries are in the log: the place behind the last one, and the hash of all of them.
package struct ProducerMark: Sendable, Hashable {
    package let offset: UInt64
    package let hash: RunningHash

    package init(offset: UInt64, hash: RunningHash) {
        self.offset = offset
        self.hash = hash
    }

    /// Of a segment of which nothing has arrived.
    package static let start = ProducerMark(offset: UInt64(JournalHeader.length), hash: RunningHash())
}

/// What was acknowledged, after it was committed.
package typealias Acknowledged = ProducerMark

/// Consecutive entries of one producer, on their way from its host into the log.
package struct ProducerBatch: Sendable, Hashable {
    package let node: NodeName
    package let incarnation: ID128
    package let segment: ID128
    package let stream: String
    /// Where the batch begins, and the hash of all before.
    package let start: ProducerMark
    /// By place, ascending.
    package let records: [Record]
    /// What could not be read, by place, ascending.
    package let gaps: [Range<UInt64>]
    /// The place behind the last entry.
    package let end: UInt64
    /// Whether the segment ends here for ever.
    package let isSealedEnd: Bool

    package struct Record: Sendable, Hashable {
        package let offset: UInt64
        package let bytes: [UInt8]

        package init(offset: UInt64, bytes: [UInt8]) {
            self.offset = offset
            self.bytes = bytes
        }
    }

    package init(
        node: NodeName, incarnation: ID128, segment: ID128, stream: String, start: ProducerMark, records: [Record],
        gaps: [Range<UInt64>], end: UInt64, isSealedEnd: Bool
    ) {
        self.node = node
        self.incarnation = incarnation
        self.segment = segment
        self.stream = stream
        self.start = start
        self.records = records
        self.gaps = gaps
        self.end = end
        self.isSealedEnd = isSealedEnd
    }

    /// Records and gaps in the order of their places.
    package var entries: [JournalScanner.Item] {
        var items: [JournalScanner.Item] = []
        items.reserveCapacity(records.count + gaps.count)
        var rest = gaps[...]
        for record in records {
            while let gap = rest.first, gap.lowerBound < record.offset { items.append(.gap(rest.removeFirst())) }
            items.append(.record(offset: record.offset, bytes: record.bytes))
        }
        return items + rest.map { .gap($0) }
    }

    /// What a batch is to one who holds a producer's mark.
    package enum Reading: Sendable, Hashable {
        /// These are new; the mark moves there.
        case new([JournalScanner.Item], mark: ProducerMark)
        /// All of it is there already: a repeat.
        case known
        /// Something lies between the mark and the batch: send from the mark on.
        case ahead
        /// What was taken over before was different: an alarm.
        case differs
    }

    /// Skips what is before `mark`; the hash at the mark must be the one that is kept.
    package func beyond(_ mark: ProducerMark) -> Reading {
        guard start.offset <= mark.offset else { return .ahead }
        var hash = start.hash
        var new: [JournalScanner.Item] = []
        var wasChecked = start.offset == mark.offset
        if wasChecked, hash != mark.hash { return .differs }
        var last = start.offset
        for item in entries {
            let (offset, end) = item.places
            // A place that is no boundary of what was taken over before.
            if !wasChecked, offset >= mark.offset {
                guard offset == mark.offset, hash == mark.hash else { return .differs }
                wasChecked = true
            }
            guard offset >= last, end > offset else { return .differs }
            last = end
            hash.add(item)
            if wasChecked { new.append(item) }
        }
        guard last == end else { return .differs }
        if !wasChecked { return last < mark.offset || hash == mark.hash ? .known : .differs }
        return new.isEmpty ? .known : .new(new, mark: ProducerMark(offset: end, hash: hash))
    }

    /// The hash behind the last entry.
    package var hash: RunningHash {
        var hash = start.hash
        for item in entries { hash.add(item) }
        return hash
    }
}

extension RunningHash {
    package mutating func add(_ item: JournalScanner.Item) {
        switch item {
        case .record(let offset, let bytes): add(record: bytes, at: offset)
        case .gap(let range): add(gap: range)
        }
    }
}

extension JournalScanner.Item {
    /// Where it begins, and the place behind it.
    package var places: (start: UInt64, end: UInt64) {
        switch self {
        case .record(let offset, let bytes): (offset, offset + UInt64(JournalFrame.length(bytes.count)))
        case .gap(let range): (range.lowerBound, range.upperBound)
        }
    }
}
