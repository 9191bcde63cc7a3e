package import FFSModel

/// The first page of a journal's segment, ffs-pipeline(7): whole on disk before a writer gets the segment.
///
///     8 bytes   "FFSJRNL1"
///     16 bytes  the segment's id, random
///     16 bytes  the incarnation of the folder, random
///     4 bytes   the salt, big-endian, random: where the checksum of each of its records begins
///     8 bytes   when it was made, nanoseconds since 1970, big-endian
///     8 bytes   where the reserve begins, big-endian
///     8 bytes   where it ends and the segment is full, big-endian
///     1 byte    length of the stream's name, and the name
///     4 bytes   CRC-32C of all before, big-endian
///     zeros up to 4,096 bytes
package struct JournalHeader: Sendable, Hashable {
    package let segment: ID128
    package let incarnation: ID128
    package let salt: UInt32
    package let made: Int64
    package let stream: String
    /// Only what is under way is written from here on.
    package let reserve: UInt64
    /// Nothing is written from here on.
    package let end: UInt64

    /// Bytes; the first record's frame is behind them.
    package static let length = 4_096
    private static let magic = Array("FFSJRNL1".utf8)

    package init(
        segment: ID128, incarnation: ID128, salt: UInt32, made: Int64, stream: String, reserve: UInt64, end: UInt64
    ) {
        self.segment = segment
        self.incarnation = incarnation
        self.salt = salt
        self.made = made
        self.stream = stream
        self.reserve = reserve
        self.end = end
    }

    /// Letters, digits and hyphens, 1 to 40: it names a folder.
    package static func isStream(_ name: String) -> Bool {
        (1...40).contains(name.utf8.count)
            && name.utf8.allSatisfy {
                (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-")
            }
    }

    package var bytes: [UInt8] {
        var out = Self.magic
        segment.append(to: &out)
        incarnation.append(to: &out)
        BigEndian.append(salt, to: &out)
        BigEndian.append(UInt64(bitPattern: made), to: &out)
        BigEndian.append(reserve, to: &out)
        BigEndian.append(end, to: &out)
        out.append(UInt8(stream.utf8.count))
        out += stream.utf8
        BigEndian.append(CRC32C.checksum(out), to: &out)
        out += [UInt8](repeating: 0, count: Self.length - out.count)
        return out
    }

    /// nil for what is no header: another file, or one that was damaged.
    package init?(bytes: [UInt8]) {
        guard bytes.count >= Self.length, bytes.starts(with: Self.magic),
            let segment = ID128(bytes: bytes[8..<24]), let incarnation = ID128(bytes: bytes[24..<40])
        else { return nil }
        let nameEnd = 69 + Int(bytes[68])
        guard let stream = String(validating: bytes[69..<nameEnd], as: UTF8.self), Self.isStream(stream),
            CRC32C.checksum(Array(bytes[..<nameEnd]))
                == UInt32(truncatingIfNeeded: BigEndian.value(bytes[nameEnd..<nameEnd + 4]))
        else { return nil }
        self.init(
            segment: segment, incarnation: incarnation,
            salt: UInt32(truncatingIfNeeded: BigEndian.value(bytes[40..<44])),
            made: Int64(bitPattern: BigEndian.value(bytes[44..<52])), stream: stream,
            reserve: BigEndian.value(bytes[52..<60]), end: BigEndian.value(bytes[60..<68]))
    }
}

/// Words with the most significant byte first, as all of the pipeline's formats have them.
package enum BigEndian {
    package static func append(_ word: some FixedWidthInteger, to out: inout [UInt8]) {
        withUnsafeBytes(of: word.bigEndian) { out.append(contentsOf: $0) }
    }

    /// The number that up to eight bytes make.
    package static func value(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
}
