package import FFSModel

/// Names one event, for ever and everywhere. Random, except where a host must find out after a crash whether it has
/// recorded something: then it follows from what happened.
package typealias EventID = ID128

/// One thing that happened: what the transfer log, the structured log and the pipeline's records all render.
package struct Event: Sendable, Hashable {
    package let type: EventType
    package let id: EventID
    /// Nanoseconds since 1970, UTC, by the clock of the host that recorded it.
    package let time: Int64
    /// Bytes by field, those of unknown fields too.
    package private(set) var fields: [EventField: [UInt8]]

    package init(_ type: EventType, id: EventID = .random(), time: Int64, fields: [EventField: [UInt8]] = [:]) {
        self.type = type
        self.id = id
        self.time = time
        self.fields = fields
    }

    package subscript(field: EventField) -> [UInt8]? {
        get { fields[field] }
        set { fields[field] = newValue }
    }

    /// The field as text; nil where there is none, or it is not UTF-8.
    package func text(_ field: EventField) -> String? {
        fields[field].flatMap { String(validating: $0, as: UTF8.self) }
    }

    /// The field as a number; nil where there is none, or it is none.
    package func integer(_ field: EventField) -> UInt64? { fields[field].flatMap { EventNumber.value($0[...]) } }

    package func digest(_ field: EventField) -> ContentDigest? { fields[field].flatMap { ContentDigest(bytes: $0) } }

    package var trace: TraceID? { fields[.trace].flatMap { TraceID(bytes: $0) } }

    package mutating func set(_ field: EventField, _ text: String?) { fields[field] = text.map { Array($0.utf8) } }
    package mutating func set(_ field: EventField, _ number: UInt64?) { fields[field] = number.map(EventNumber.bytes) }
    package mutating func set(_ field: EventField, _ digest: ContentDigest?) { fields[field] = digest?.bytes }
    package mutating func set(_ field: EventField, _ id: ID128?) { fields[field] = id?.bytes }

    /// Bytes of the longest record.
    package static let longest = 16_384

    /// The record: the one encoding there is of this event (``EventEncoder``).
    package var record: [UInt8] {
        var encoder = EventEncoder(type, id: id, time: time)
        for (field, bytes) in fields.sorted(by: { $0.key < $1.key }) { encoder.append(field, bytes) }
        return encoder.bytes
    }

    /// Throws what is wrong with bytes that ``record`` would not have made: a poison message.
    ///
    /// - Parameter isStripped: whether personal fields may be missing, as in the log.
    package init(record: some RandomAccessCollection<UInt8>, isStripped: Bool = false) throws(EventError) {
        var reader = Reader(rest: ArraySlice(record))
        guard reader.rest.count <= Self.longest else { throw .tooLong }
        guard try reader.take(1).first == EventEncoder.format else { throw .format }
        let length = Int(try reader.take(1).first!)
        guard let type = EventType(rawValue: String(decoding: try reader.take(length), as: UTF8.self)) else {
            throw .type
        }
        self.type = type
        id = EventID(bytes: try reader.take(16))!
        time = Int64(bitPattern: try reader.take(8).reduce(0) { $0 << 8 | UInt64($1) })
        fields = [:]
        var last: EventField?
        while !reader.rest.isEmpty {
            let field = EventField(rawValue: try reader.take(1).first!)
            if let last, field <= last { throw .order }
            last = field
            fields[field] = Array(try reader.take(try reader.length()))
        }
        let excused = isStripped ? EventField.personal : []
        if let row = EventType.rows[type],
            let missing = row.required.subtracting(excused).subtracting(fields.keys).min()
        {
            throw .missing(missing)
        }
    }

    private struct Reader {
        var rest: ArraySlice<UInt8>

        mutating func take(_ count: Int) throws(EventError) -> ArraySlice<UInt8> {
            guard rest.count >= count else { throw .truncated }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }

        /// A length of one or two bytes, the shorter form where it suffices.
        mutating func length() throws(EventError) -> Int {
            let first = Int(try take(1).first!)
            guard first >= 0x80 else { return first }
            let length = (first & 0x7F) << 8 | Int(try take(1).first!)
            guard length >= 0x80 else { throw .length }
            return length
        }
    }
}

/// What keeps bytes from being a record.
package enum EventError: Error, Sendable, Hashable {
    case format, type, truncated, tooLong
    /// Fields are not in ascending order, or one comes twice.
    case order
    /// A length in the longer form that fits the shorter.
    case length
    /// A type that is known lacks a field that it always has.
    case missing(EventField)
}

/// Numbers in fields: big-endian, without leading zeros; zero is empty.
enum EventNumber {
    static func bytes(_ number: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) }.drop { $0 == 0 } + []
    }

    static func value(_ bytes: ArraySlice<UInt8>) -> UInt64? {
        guard bytes.count <= 8, bytes.first != 0 else { return nil }
        return bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// Writes a record field by field, without a dictionary: for events that come by the thousand.
///
///     1 byte    format, 1
///     1 byte    length of the type's name, and the name
///     16 bytes  id
///     8 bytes   time, big-endian
///     then, in ascending order of their numbers, fields: number (1), length (1, or 2 with the top bit set), bytes
package struct EventEncoder {
    static let format: UInt8 = 1

    package private(set) var bytes: [UInt8]
    private var last: UInt8 = 0

    package init(_ type: EventType, id: EventID, time: Int64) {
        bytes = []
        bytes.reserveCapacity(320)
        bytes.append(Self.format)
        bytes.append(UInt8(type.rawValue.utf8.count))
        bytes += type.rawValue.utf8
        id.append(to: &bytes)
        appendBigEndian(UInt64(bitPattern: time))
    }

    /// Fields must come in ascending order, each once. What does not fit a record is cut: the beginning of a path is
    /// worth more than no record.
    package mutating func append(_ field: EventField, _ value: some Collection<UInt8>) {
        precondition(field.rawValue > last, "an event's fields are in ascending order")
        last = field.rawValue
        let room = Event.longest - bytes.count - 3
        guard room >= 0 else { return }
        let length = min(value.count, room)
        bytes.append(field.rawValue)
        if length >= 0x80 { bytes.append(0x80 | UInt8(length >> 8)) }
        bytes.append(UInt8(truncatingIfNeeded: length))
        bytes += value.prefix(length)
    }

    package mutating func append(_ field: EventField, _ text: String) { append(field, text.utf8) }

    package mutating func append(_ field: EventField, _ number: UInt64) {
        withUnsafeBytes(of: number.bigEndian) { append(field, $0.dropFirst(number.leadingZeroBitCount / 8)) }
    }

    package mutating func append(_ field: EventField, _ digest: ContentDigest) { append(field, digest.bytes) }

    package mutating func append(_ field: EventField, _ id: ID128) { append(field, id.bytes) }

    private mutating func appendBigEndian(_ word: UInt64) {
        for shift in stride(from: 56, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
        }
    }
}
