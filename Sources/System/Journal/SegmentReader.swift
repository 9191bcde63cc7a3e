package import Events
import FFSModel
package import SystemSupport

/// Reads one segment's records through a window of bounded size, while somebody writes it or after.
package struct SegmentReader: ~Copyable {
    package let header: JournalHeader
    private let file: Descriptor
    private var scanner: JournalScanner
    private static let window = 256 * 1_024

    /// nil when the file does not begin with a header: it was damaged, or is something else.
    package init?(_ file: consuming Descriptor, from offset: UInt64 = UInt64(JournalHeader.length)) throws(SystemError)
    {
        guard let header = JournalHeader(bytes: try file.readStart(JournalHeader.length)) else { return nil }
        self.header = header
        self.file = file
        scanner = JournalScanner(salt: header.salt, offset: offset)
    }

    /// Where it goes on.
    package var offset: UInt64 { scanner.offset }

    /// Whether everything was handed out that a sealed segment holds.
    package func isAtEnd() throws(SystemError) -> Bool { scanner.offset >= UInt64(try file.status().size) }

    /// What comes next, up to `limit` items and about `byteLimit` bytes; nothing where nothing more can be told yet.
    package mutating func next(
        limit: Int, byteLimit: Int, isSealed: Bool
    ) throws(SystemError) -> [JournalScanner.Item] {
        try Self.scan(file, &scanner, limit: limit, byteLimit: byteLimit, isSealed: isSealed)
    }

    /// The window grows where something unreadable is longer than it.
    private static func scan(
        _ file: borrowing Descriptor, _ scanner: inout JournalScanner, limit: Int, byteLimit: Int, isSealed: Bool
    ) throws(SystemError) -> [JournalScanner.Item] {
        var size = window
        while true {
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
            defer { buffer.deallocate() }
            var filled = 0
            while filled < size {
                let count = try file.read(
                    into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]), at: Int(scanner.offset) + filled)
                if count == 0 { break }
                filled += count
            }
            let items = scanner.scan(
                UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<filled]),
                isSealed: isSealed && filled < size, limit: limit, byteLimit: byteLimit)
            guard items.isEmpty, filled == size else { return items }
            size *= 4
        }
    }

    /// Bytes of a segment that nobody writes any more: up to the end of its last record, if there are only zeros behind
    /// it. nil when it has no header.
    static func end(of file: borrowing Descriptor, size: Int) throws(SystemError) -> Int? {
        guard let header = JournalHeader(bytes: try file.readStart(JournalHeader.length)) else { return nil }
        var scanner = JournalScanner(salt: header.salt)
        var end = JournalHeader.length
        while true {
            let items = try scan(file, &scanner, limit: 4_096, byteLimit: window, isSealed: true)
            guard let last = items.last else { break }
            for case .record(let offset, let bytes) in items {
                end = max(end, Int(offset) + JournalFrame.length(bytes.count))
            }
            if case .gap = last { continue }
        }
        return try isZero(file, from: end) ? end : size
    }

    private static func isZero(_ file: borrowing Descriptor, from start: Int) throws(SystemError) -> Bool {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: window, alignment: 8)
        defer { buffer.deallocate() }
        var place = start
        while true {
            let count = try file.read(into: buffer, at: place)
            if count == 0 { return true }
            guard buffer[..<count].allSatisfy({ $0 == 0 }) else { return false }
            place += count
        }
    }
}
