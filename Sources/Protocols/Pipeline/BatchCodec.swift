import Events
package import FFSModel

/// A batch as bytes, ffs-pipeline(7); deflated on its way.
///
///     1 byte    format, 1
///     16 bytes  the folder's incarnation, and 16 the segment
///     1 byte    length of the stream's name, and the name
///     8 bytes   where the batch begins, and 32 the running hash there
///     8 bytes   where it ends
///     1 byte    1 if the segment ends there for ever, else 0
///     then, by place: 1, place (8), length (2) and a record; or 2, and a gap's beginning (8) and end (8)
extension ProducerBatch {
    private static let format: UInt8 = 1
    /// Bytes that a batch may have.
    package static let longest = 2 << 20

    package var encoded: [UInt8] {
        var out: [UInt8] = [Self.format]
        out.reserveCapacity(128 + records.reduce(0) { $0 + $1.bytes.count + 11 } + 17 * gaps.count)
        incarnation.append(to: &out)
        segment.append(to: &out)
        out.append(UInt8(stream.utf8.count))
        out += stream.utf8
        BigEndian.append(start.offset, to: &out)
        out += start.hash.bytes
        BigEndian.append(end, to: &out)
        out.append(isSealedEnd ? 1 : 0)
        for entry in entries {
            switch entry {
            case .record(let offset, let bytes):
                out.append(1)
                BigEndian.append(offset, to: &out)
                BigEndian.append(UInt16(bytes.count), to: &out)
                out += bytes
            case .gap(let range):
                out.append(2)
                BigEndian.append(range.lowerBound, to: &out)
                BigEndian.append(range.upperBound, to: &out)
            }
        }
        return out
    }

    /// Throws `corrupt` for what is no batch.
    package init(encoded bytes: [UInt8], node: NodeName) throws(Failure) {
        var reader = Reader(rest: bytes[...])
        guard bytes.count <= Self.longest, try reader.number(1) == Self.format else {
            throw Failure(.corrupt, "a batch of \(node) has another format; bring both hosts to the same release")
        }
        let incarnation = ID128(bytes: try reader.take(16))!
        let segment = ID128(bytes: try reader.take(16))!
        let name = String(decoding: try reader.take(Int(try reader.number(1))), as: UTF8.self)
        guard JournalHeader.isStream(name) else { throw Reader.damaged }
        let offset = try reader.number(8)
        let start = ProducerMark(offset: offset, hash: RunningHash(bytes: Array(try reader.take(32)))!)
        let end = try reader.number(8)
        let isSealedEnd = try reader.number(1) == 1
        var records: [Record] = []
        var gaps: [Range<UInt64>] = []
        var last = offset
        while !reader.rest.isEmpty {
            let kind = try reader.number(1)
            let place = try reader.number(8)
            guard place >= last, place < 1 << 62 else { throw Reader.damaged }
            switch kind {
            case 1:
                let record = Array(try reader.take(Int(try reader.number(2))))
                guard !record.isEmpty else { throw Reader.damaged }
                records.append(Record(offset: place, bytes: record))
                last = place + UInt64(JournalFrame.length(record.count))
            case 2:
                let end = try reader.number(8)
                guard end > place, end < 1 << 62 else { throw Reader.damaged }
                gaps.append(place..<end)
                last = end
            default: throw Reader.damaged
            }
        }
        guard last == end else { throw Reader.damaged }
        self.init(
            node: node, incarnation: incarnation, segment: segment, stream: name, start: start, records: records,
            gaps: gaps, end: end, isSealedEnd: isSealedEnd)
    }

    private struct Reader {
        var rest: ArraySlice<UInt8>

        static var damaged: Failure { Failure(.corrupt, "a batch of events is damaged; it will be sent again") }

        mutating func take(_ count: Int) throws(Failure) -> ArraySlice<UInt8> {
            guard rest.count >= count else { throw Self.damaged }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }

        mutating func number(_ count: Int) throws(Failure) -> UInt64 { BigEndian.value(try take(count)) }
    }
}
