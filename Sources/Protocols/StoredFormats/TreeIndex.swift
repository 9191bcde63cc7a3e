package import FFSModel

/// What each folder of an account's tree holds, written when the account is built, so that a listing is a read and not
/// a look at every file. Format 1, docs/formats.md; numbers are little-endian:
///
///     "FFSINDEX" · u32 1 · u32 folders
///     folders × (u64 place of path · u64 place of block · u32 bytes of path · u32 entries · u64 bytes of block)
///     paths and blocks
///     block = entries × (sha256 · u64 size · i64 modified · u8 kind · u8 bytes of name · name)
///
/// Folders are in byte order of their paths, entries in that of their names.
package enum TreeIndex {
    /// One name of a folder.
    package struct Entry: Sendable, Hashable {
        package var name: [UInt8]
        package var isFolder: Bool
        /// Bytes.
        package var size: Int
        /// Seconds since 1970; nil: whoever wants size and time must look at the file.
        package var modified: Int64?
        /// Of a file whose content is known.
        package var digest: ContentDigest?

        package init(name: [UInt8], isFolder: Bool, size: Int, modified: Int64?, digest: ContentDigest?) {
            self.name = name
            self.isFolder = isFolder
            self.size = size
            self.modified = modified
            self.digest = digest
        }
    }

    /// Why bytes are no index.
    package struct Damaged: Error, Sendable, Hashable { package init() {} }

    private static let magic = Array("FFSINDEX".utf8)
    package static let headSize = 16
    package static let recordSize = 32
    /// Of an entry without its name.
    private static let entrySize = 50
    private static let kindFile: UInt8 = 0
    private static let kindFolder: UInt8 = 1
    /// Added to the kind where time and size are not known, and where the digest is.
    private static let asks: UInt8 = 2
    private static let hasDigest: UInt8 = 4

    // MARK: Writing

    /// Gathers folders, then makes the file's bytes.
    package struct Builder {
        private var folders: [(path: [UInt8], block: Range<Int>, entries: Int)] = []
        private var blocks: [UInt8] = []
        private var start = 0
        private var entries = 0

        package init(reserving bytes: Int = 0) { blocks.reserveCapacity(bytes) }

        /// Appends an entry to the folder that ``endFolder(_:)`` will name; in byte order of the names.
        package mutating func add(
            name: UnsafeBufferPointer<UInt8>, isFolder: Bool, size: Int, modified: Int64?, digest: ContentDigest?
        ) {
            let words = digest?.words ?? (0, 0, 0, 0)
            for word in [words.0, words.1, words.2, words.3] { append(word.byteSwapped) }
            append(UInt64(max(0, size)))
            append(UInt64(bitPattern: modified ?? 0))
            blocks.append(
                (isFolder ? kindFolder : kindFile) | (modified == nil ? asks : 0) | (digest == nil ? 0 : hasDigest))
            // Names have 255 bytes at most on every file system there is.
            blocks.append(UInt8(truncatingIfNeeded: name.count))
            blocks.append(contentsOf: name)
            entries += 1
        }

        private mutating func append(_ number: UInt64) {
            withUnsafeBytes(of: number.littleEndian) { blocks.append(contentsOf: $0) }
        }

        /// - Parameter path: below the account's root; empty for the root.
        package mutating func endFolder(_ path: [UInt8]) {
            folders.append((path, start..<blocks.count, entries))
            start = blocks.count
            entries = 0
        }

        package func serialized() -> [UInt8] {
            let folders = folders.sorted { $0.path.lexicographicallyPrecedes($1.path) }
            let pathsStart = headSize + folders.count * recordSize
            let blocksStart = pathsStart + folders.reduce(0) { $0 + $1.path.count }
            var out = magic
            out.reserveCapacity(blocksStart + blocks.count)
            func put<Number: FixedWidthInteger>(_ number: Number) {
                withUnsafeBytes(of: number.littleEndian) { out.append(contentsOf: $0) }
            }
            put(UInt32(1))
            put(UInt32(folders.count))
            var place = pathsStart
            for folder in folders {
                put(UInt64(place))
                put(UInt64(blocksStart + folder.block.lowerBound))
                put(UInt32(folder.path.count))
                put(UInt32(folder.entries))
                put(UInt64(folder.block.count))
                place += folder.path.count
            }
            for folder in folders { out += folder.path }
            out += blocks
            return out
        }
    }

    // MARK: Reading

    /// Where a folder's path and entries are.
    package struct Folder: Sendable, Hashable {
        package let path: Range<Int>
        package let block: Range<Int>
        package let entries: Int
    }

    /// How many folders there are. `head`: the first ``headSize`` bytes.
    package static func folders(head: [UInt8]) throws(Damaged) -> Int {
        guard head.count == headSize, head.starts(with: magic), number(head, 8, UInt32.self) == 1 else {
            throw Damaged()
        }
        return Int(number(head, 12, UInt32.self))
    }

    /// Where the record of folder `index` is.
    package static func record(_ index: Int) -> Range<Int> {
        headSize + index * recordSize..<headSize + (index + 1) * recordSize
    }

    /// - Parameters:
    ///   - record: ``recordSize`` bytes.
    ///   - size: bytes of the file, which nothing may lie beyond.
    package static func folder(record: [UInt8], size: Int) throws(Damaged) -> Folder {
        guard record.count == recordSize,
            let path = range(number(record, 0, UInt64.self), UInt64(number(record, 16, UInt32.self)), size),
            let block = range(number(record, 8, UInt64.self), number(record, 24, UInt64.self), size)
        else { throw Damaged() }
        return Folder(path: path, block: block, entries: Int(number(record, 20, UInt32.self)))
    }

    /// One name of a folder as it lies in the index; valid while the bytes it was read from are.
    package struct Listed {
        package let name: UnsafeBufferPointer<UInt8>
        package let isFolder: Bool
        /// As in ``Entry``.
        package let size: Int
        package let modified: Int64?
        package let digest: ContentDigest?
    }

    /// Calls `body` for the whole entries at the beginning of `block`, a folder's or a piece of it; returns how many bytes
    /// they take. No allocation a name: a hundred thousand take some milliseconds.
    package static func forEach(
        in block: UnsafeBufferPointer<UInt8>, _ body: (Listed) -> Void
    ) throws(Damaged) -> Int {
        let bytes = UnsafeRawBufferPointer(block)
        var place = 0
        while block.count - place >= entrySize {
            let (kind, length) = (block[place + 48], Int(block[place + 49]))
            let end = place + entrySize + length
            guard length > 0, kind < 8 else { throw Damaged() }
            if end > block.count { break }
            func number(_ offset: Int) -> UInt64 {
                bytes.loadUnaligned(fromByteOffset: place + offset, as: UInt64.self)
            }
            let words = (number(0), number(8), number(16), number(24))
            body(
                Listed(
                    name: UnsafeBufferPointer(rebasing: block[place + entrySize..<end]),
                    isFolder: kind & kindFolder != 0,
                    size: Int(clamping: UInt64(littleEndian: number(32))),
                    modified: kind & asks != 0 ? nil : Int64(bitPattern: UInt64(littleEndian: number(40))),
                    digest: kind & hasDigest == 0
                        ? nil
                        : ContentDigest(
                            words: (
                                UInt64(bigEndian: words.0), UInt64(bigEndian: words.1), UInt64(bigEndian: words.2),
                                UInt64(bigEndian: words.3)
                            ))))
            place = end
        }
        return place
    }

    /// The same as a list.
    package static func entries(_ block: [UInt8]) throws(Damaged) -> (entries: [Entry], used: Int) {
        var entries: [Entry] = []
        entries.reserveCapacity(block.count / (entrySize + 16))
        let used = try block.withUnsafeBufferPointer { block throws(Damaged) in
            try forEach(in: block) { one in
                entries.append(
                    Entry(
                        name: Array(one.name), isFolder: one.isFolder, size: one.size, modified: one.modified,
                        digest: one.digest))
            }
        }
        return (entries, used)
    }

    private static func range(_ start: UInt64, _ count: UInt64, _ size: Int) -> Range<Int>? {
        let (end, overflow) = start.addingReportingOverflow(count)
        return overflow || end > UInt64(max(0, size)) ? nil : Int(start)..<Int(end)
    }

    private static func number<Number: FixedWidthInteger & BitwiseCopyable>(
        _ bytes: [UInt8], _ place: Int, _ type: Number.Type
    ) -> Number {
        bytes.withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: place, as: type)) }
    }
}
