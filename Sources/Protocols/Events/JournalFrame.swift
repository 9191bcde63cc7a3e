/// A record's frame in a segment, ffs-pipeline(7):
///
///     4 bytes   checksum, big-endian
///     4 bytes   length of the record, big-endian
///     the record, and zeros up to a multiple of eight
///
/// The checksum is CRC-32C over length and record, whose register begins with the segment's salt, combined (exclusive
/// or) with the low 32 bits of the frame's place. So neither bytes of an older file nor a frame in a wrong place pass for
/// a record, and nobody who does not know the salt can write a path that does.
package enum JournalFrame {
    /// Frames begin at multiples of it.
    package static let alignment = 8
    package static let head = 8

    /// Bytes of the frame of a record of so many bytes.
    package static func length(_ record: Int) -> Int { head + (record + alignment - 1) & ~(alignment - 1) }

    /// Appends the record's frame, all but the place, which ``place(_:in:at:)`` puts in.
    package static func append(_ record: [UInt8], salt: UInt32, to out: inout [UInt8]) {
        let start = out.count
        out.append(contentsOf: repeatElement(0, count: 4))
        BigEndian.append(UInt32(record.count), to: &out)
        out += record
        let checksum = out.withUnsafeBytes { bytes in
            ~CRC32C.register(salt, UnsafeRawBufferPointer(rebasing: bytes[(start + 4)...]))
        }
        set(checksum, in: &out, at: start)
        out.append(contentsOf: repeatElement(0, count: length(record.count) - head - record.count))
    }

    /// Binds the frame at `index` of `out` to its place in the segment; once.
    package static func place(_ offset: UInt64, in out: inout [UInt8], at index: Int) {
        let checksum = UInt32(truncatingIfNeeded: BigEndian.value(out[index..<index + 4]))
        set(checksum ^ UInt32(truncatingIfNeeded: offset), in: &out, at: index)
    }

    private static func set(_ word: UInt32, in out: inout [UInt8], at index: Int) {
        for byte in 0..<4 { out[index + byte] = UInt8(truncatingIfNeeded: word >> UInt32(24 - 8 * byte)) }
    }

    /// What the bytes at some place are.
    package enum Reading: Hashable {
        /// A record of so many bytes.
        case record(Int)
        /// The frame may be one, but its end is not there yet.
        case incomplete
        /// No frame.
        case bad
    }

    package static func read(_ bytes: UnsafeRawBufferPointer, salt: UInt32, at offset: UInt64) -> Reading {
        guard bytes.count >= head else { return .incomplete }
        let checksum = UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self))
        let count = Int(UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
        guard count > 0, count <= Event.longest else { return .bad }
        guard bytes.count >= length(count) else { return .incomplete }
        let register = CRC32C.register(salt, UnsafeRawBufferPointer(rebasing: bytes[4..<head + count]))
        guard ~register ^ UInt32(truncatingIfNeeded: offset) == checksum else { return .bad }
        return .record(count)
    }
}
