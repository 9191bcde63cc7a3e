import FFSModel
import FTPProtocol
import StoredFormats
import SystemSupport

/// Names of one directory with what listings show of them. Never changes once it is made, so threads share it.
struct ListingTable: Sendable {
    /// 24 bytes.
    fileprivate struct Item {
        let size: Int64
        let modified: Int64
        let start: UInt32
        let length: UInt16
        /// Permission bits, and ``directoryBit``.
        let mode: UInt16

        static let directoryBit: UInt16 = 0x8000
        var isDirectory: Bool { mode & Self.directoryBit != 0 }
        var name: Range<Int> { Int(start)..<Int(start) + Int(length) }
    }

    fileprivate var names: [UInt8] = []
    fileprivate var items: [Item] = []
    /// Of each item, where the index told them; else none.
    private var digests: [ContentDigest?] = []

    var count: Int { items.count }
    /// Memory that it takes.
    var bytes: Int {
        names.count + items.count * MemoryLayout<Item>.stride
            + digests.count * MemoryLayout<ContentDigest?>.stride
    }

    fileprivate mutating func add(_ entry: Descriptor.ListedEntry) {
        add(
            entry.name, isDirectory: entry.isDirectory, size: entry.size, modified: entry.modified,
            permissions: entry.permissions)
    }

    private mutating func add(
        _ name: UnsafeBufferPointer<UInt8>, isDirectory: Bool, size: Int64, modified: Int64, permissions: UInt32
    ) {
        let mode = UInt16(permissions & 0o777) | (isDirectory ? Item.directoryBit : 0)
        items.append(
            Item(
                size: size, modified: modified, start: UInt32(names.count), length: UInt16(name.count), mode: mode))
        names.append(contentsOf: name)
    }

    /// An entry of an index. Where the index leaves size and time open, `directory` is asked, if they are wanted; what is
    /// not there is left out.
    fileprivate mutating func add(
        _ entry: TreeIndex.Listed, in directory: borrowing Descriptor, withStatus: Bool
    ) {
        if entry.modified == nil, withStatus {
            guard let place = CPath(bytes: entry.name), let status = try? directory.status(of: place),
                status.kind == .file || status.kind == .directory
            else { return }
            add(
                entry.name, isDirectory: status.kind == .directory, size: Int64(status.size),
                modified: status.modified / 1_000_000_000, permissions: status.permissions)
        } else {
            // Objects have this mode; folders are asked.
            add(
                entry.name, isDirectory: entry.isFolder, size: Int64(entry.size), modified: entry.modified ?? 0,
                permissions: 0o444)
        }
        digests.append(entry.digest)
    }

    /// The entry at `index`; its digest where the index told it.
    func entry(_ index: Int) -> ListingEntry {
        let item = items[index]
        return ListingEntry(
            name: Array(names[item.name]), kind: item.isDirectory ? .directory : .file,
            size: UInt64(max(0, item.size)), modified: Timestamp(seconds: item.modified), mode: item.mode & 0o777,
            digest: digests.isEmpty ? nil : digests[index])
    }

    /// By the bytes of the names.
    fileprivate mutating func sort() {
        names.withUnsafeBytes { names in
            items.sort { a, b in Self.precedes(names[a.name], names[b.name]) }
        }
    }

    /// Eight bytes at a time: a large directory's names have much in common.
    private static func precedes(_ a: Slice<UnsafeRawBufferPointer>, _ b: Slice<UnsafeRawBufferPointer>) -> Bool {
        let (x, y) = (UnsafeRawBufferPointer(rebasing: a), UnsafeRawBufferPointer(rebasing: b))
        let common = min(x.count, y.count)
        var offset = 0
        while offset + 8 <= common {
            let (one, other) = (
                UInt64(bigEndian: x.loadUnaligned(fromByteOffset: offset, as: UInt64.self)),
                UInt64(bigEndian: y.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            )
            if one != other { return one < other }
            offset += 8
        }
        while offset < common {
            if x[offset] != y[offset] { return x[offset] < y[offset] }
            offset += 1
        }
        return x.count < y.count
    }

    /// Names looked at in one go: a pattern may fit none of them.
    private static let turn = 16_384

    /// Appends lines from the one at `next` on, until `out` has `end` bytes, there are no more, or it has been a while.
    ///
    /// - Parameters:
    ///   - request: which of the names are shown, and what is put in front of them.
    ///   - digest: of a file by its name, where the table has none; nil where none is shown.
    func append(
        from next: inout Int, to out: inout [UInt8], until end: Int, _ format: inout ListingFormat,
        _ request: ListingRequest, digest: ((UnsafeBufferPointer<UInt8>) -> ContentDigest?)?
    ) {
        let last = min(items.count, next + Self.turn)
        names.withUnsafeBufferPointer { names in
            while next < last, out.count < end {
                let item = items[next]
                let known = digests.isEmpty ? nil : digests[next]
                next += 1
                let name = UnsafeBufferPointer(rebasing: names[item.name])
                if let glob = request.glob, !glob.matches(name) { continue }
                format.append(
                    name, prefix: request.prefix, item.isDirectory ? .directory : .file,
                    size: UInt64(max(0, item.size)), modified: Timestamp(seconds: item.modified),
                    mode: item.mode & 0o777,
                    digest: item.isDirectory || digest == nil ? nil : known ?? digest?(name), to: &out)
            }
        }
    }

    /// Names of the directories among them, in the table's order.
    var directories: [[UInt8]] { items.filter(\.isDirectory).map { Array(names[$0.name]) } }
}

/// Reads a directory into tables, some thousand names at a time, so that whoever reads can do other things in between.
/// Where staging wrote down what it holds, that is read, in order, and no file is looked at.
final class ListingReader {
    private let directory: Descriptor
    private var index: IndexedFolder?
    private let withStatus: Bool
    private let mostHeld: Int?
    private let turn: Int
    private var table = ListingTable()
    private var hasShown = false

    /// Names read at a time.
    static let turn = 4_096
    /// Memory of a directory that is held whole, to be sorted: some 150,000 names. A larger one comes in the file system's
    /// order, or the index's, and in parts, so that a client that does not read holds no more.
    static let mostHeld = 8 << 20
    private static let mostOfPart = 16_384

    /// - Parameters:
    ///   - index: what is known of the directory.
    ///   - mostHeld: bytes of a directory that is wanted whole; nil: in parts.
    init(
        _ directory: consuming Descriptor, index: IndexedFolder? = nil, withStatus: Bool,
        mostHeld: Int? = ListingReader.mostHeld, turn: Int = ListingReader.turn
    ) {
        self.directory = directory
        self.index = index
        self.withStatus = withStatus
        self.mostHeld = mostHeld
        self.turn = turn
    }

    enum Step {
        /// There is more to read; nothing to show yet.
        case more
        /// All names, sorted.
        case whole(ListingTable)
        /// Sorted in itself.
        case part(ListingTable, isLast: Bool)
        /// It was wanted whole: read it again, in parts.
        case tooLarge
    }

    func read() throws(SystemError) -> Step {
        let start = table.count
        var goesOn = true
        while goesOn, table.count - start < turn { goesOn = try readSome() }
        defer { if !goesOn { table = ListingTable() } }
        guard let mostHeld else {
            if goesOn, table.count < Self.mostOfPart { return .more }
            var part = table
            table = ListingTable()
            hasShown = true
            if index == nil { part.sort() }
            return .part(part, isLast: !goesOn)
        }
        guard table.bytes < mostHeld else {
            table = ListingTable()
            return .tooLarge
        }
        if goesOn { return .more }
        if index == nil { table.sort() }
        return .whole(table)
    }

    private func readSome() throws(SystemError) -> Bool {
        guard index != nil else {
            return try directory.listNext(withStatus: withStatus) { table.add($0) }
        }
        do throws(TreeIndex.Damaged) {
            return try index?.next { table.add($0, in: directory, withStatus: withStatus) } ?? false
        } catch {
            // What was shown cannot be taken back; otherwise the directory itself is read.
            guard !hasShown else { throw SystemError("the account's index", .invalid) }
            index = nil
            table = ListingTable()
            return true
        }
    }
}
