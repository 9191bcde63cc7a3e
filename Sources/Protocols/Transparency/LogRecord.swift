package import Events
package import FFSModel

/// What the log keeps of an event: its record without what names persons, who handed it over, and when it arrived.
///
///     1 byte    format, 1
///     1 byte    length of the node's name, and the name
///     16 bytes  incarnation
///     16 bytes  segment
///     8 bytes   the record's place in the segment
///     8 bytes   time of arrival, nanoseconds since 1970
///     8 bytes   the customer's number in this log, 0 for none
///     32 bytes  digest of the personal part, SHA-256(salt ‖ part), zeros for none
///     then the event's record without its personal fields
///
/// All numbers are big-endian. The personal part is the fields that were taken out, as they stood in the record.
package struct LogRecord: Sendable, Hashable {
    package let node: NodeName
    package let incarnation: ID128
    package let segment: ID128
    package let offset: UInt64
    /// Nanoseconds since 1970.
    package let arrived: Int64
    package let customer: UInt64
    package let personalDigest: TreeHash
    /// Without personal fields.
    package let event: Event

    package static let noPerson = TreeHash(words: (0, 0, 0, 0))
    /// Bytes of salt before a personal part.
    package static let personalSalt = 16
    private static let format: UInt8 = 1

    package init(
        node: NodeName, incarnation: ID128, segment: ID128, offset: UInt64, arrived: Int64, customer: UInt64,
        personalDigest: TreeHash, event: Event
    ) {
        self.node = node
        self.incarnation = incarnation
        self.segment = segment
        self.offset = offset
        self.arrived = arrived
        self.customer = customer
        self.personalDigest = personalDigest
        self.event = event
    }

    package var bytes: [UInt8] {
        var out: [UInt8] = [Self.format, UInt8(node.text.utf8.count)]
        out.reserveCapacity(512)
        out += node.text.utf8
        incarnation.append(to: &out)
        segment.append(to: &out)
        for word in [offset, UInt64(bitPattern: arrived), customer] { Self.append(word, to: &out) }
        for word in [personalDigest.words.0, personalDigest.words.1, personalDigest.words.2, personalDigest.words.3] {
            Self.append(word, to: &out)
        }
        return out + event.record
    }

    private static func append(_ word: UInt64, to out: inout [UInt8]) {
        for shift in stride(from: 56, through: 0, by: -8) {
            out.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
        }
    }

    /// Throws what is wrong with bytes that ``bytes`` would not have made.
    package init(bytes: [UInt8]) throws(EventError) {
        guard bytes.count > 2, bytes[0] == Self.format else { throw .format }
        let start = 2 + Int(bytes[1])
        guard bytes.count >= start + 88 else { throw .truncated }
        guard let node = try? NodeName(bytes: Array(bytes[2..<start])) else { throw .format }
        func word(_ place: Int) -> UInt64 {
            bytes[start + place..<start + place + 8].reduce(0) { $0 << 8 | UInt64($1) }
        }
        let event = try Event(record: bytes[(start + 88)...], isStripped: true)
        guard EventField.personal.allSatisfy({ event[$0] == nil }) else { throw .order }
        self.init(
            node: node, incarnation: ID128(high: word(0), low: word(8)), segment: ID128(high: word(16), low: word(24)),
            offset: word(32), arrived: Int64(bitPattern: word(40)), customer: word(48),
            personalDigest: TreeHash(words: (word(56), word(64), word(72), word(80))), event: event)
    }
}

/// What names persons in an event, apart from the rest of it.
package struct PersonalPart: Sendable, Hashable {
    /// In the order of their numbers; empty for an event that names nobody.
    package let bytes: [UInt8]

    package init(bytes: [UInt8]) { self.bytes = bytes }

    /// Takes the personal fields out of an event.
    package init(removingFrom event: inout Event) {
        var bytes: [UInt8] = []
        for field in EventField.personal.sorted() {
            guard let value = event[field] else { continue }
            // As in a record: a length of one byte, or of two.
            bytes.append(field.rawValue)
            if value.count >= 0x80 { bytes.append(0x80 | UInt8(value.count >> 8)) }
            bytes.append(UInt8(truncatingIfNeeded: value.count))
            bytes += value
            event[field] = nil
        }
        self.bytes = bytes
    }

    package func digest(salt: some Sequence<UInt8>) -> TreeHash {
        bytes.isEmpty ? LogRecord.noPerson : TreeHashing.hash(salt + bytes)
    }

    /// The field's bytes; nil where there is none, or the part is torn.
    package subscript(field: EventField) -> [UInt8]? {
        var rest = bytes[...]
        while let number = rest.popFirst(), let first = rest.popFirst() {
            var length = Int(first)
            if length >= 0x80 {
                guard let second = rest.popFirst() else { return nil }
                length = (length & 0x7F) << 8 | Int(second)
            }
            guard rest.count >= length else { return nil }
            if number == field.rawValue { return Array(rest.prefix(length)) }
            rest = rest.dropFirst(length)
        }
        return nil
    }

    package func text(_ field: EventField) -> String? {
        self[field].flatMap { String(validating: $0, as: UTF8.self) }
    }
}
