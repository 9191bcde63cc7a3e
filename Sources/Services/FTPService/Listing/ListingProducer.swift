import FFSModel
import FTPProtocol
import SystemSupport

/// Makes a listing piece by piece on whichever thread sends it. Memory is bounded: up to 16,384 names of one directory
/// are held to be sorted; a larger directory comes in the file system's order.
final class ListingProducer: ChunkProducer {
    /// 24 bytes: a session whose client does not read may hold 16,384 of them.
    private struct Item {
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

    private static let mostSorted = 16_384
    private static let deepest = 64
    private static let piece = 64 * 1_024

    private let request: ListingRequest
    private let tree: AccountTree
    private var format: ListingFormat
    private let withStatus: Bool
    private let digests: DigestIndex?
    /// Directories to be listed, the next one last.
    private var stack: [(path: VirtualPath, shown: [UInt8], depth: Int)]
    private var open: Descriptor?
    private var current: (path: VirtualPath, shown: [UInt8], depth: Int)?
    private var names: [UInt8] = []
    private var items: [Item] = []
    private var next = 0
    private var subdirectories: [[UInt8]] = []
    private var isFirst = true
    /// Why a part is missing; nil when all is there.
    private(set) var failure: SystemError?
    /// Keep what was produced, for the cache.
    var collects = false
    private var collection: [UInt8] = []
    private var isWhole = false

    init(_ request: ListingRequest, in tree: AccountTree) {
        self.request = request
        self.tree = tree
        format = ListingFormat(request.style, now: request.now)
        if case .names = request.style { withStatus = false } else { withStatus = true }
        if case .machine(let facts) = request.style, facts.contains(.digest) {
            digests = DigestIndex()
        } else {
            digests = nil
        }
        stack = request.single == nil ? [(request.path, [], 0)] : []
    }

    /// All that was produced, if nothing is missing and it was not too much.
    var collected: [UInt8]? { collects && isWhole && failure == nil ? collection : nil }

    func produce(into buffer: inout [UInt8]) -> Bool {
        let start = buffer.count
        let goesOn = produceMore(into: &buffer, until: start + Self.piece)
        if collects {
            collection += buffer[start...]
            if collection.count > ListingCache.mostOfOne {
                collects = false
                collection = []
            }
        }
        isWhole = !goesOn
        return goesOn
    }

    private func produceMore(into buffer: inout [UInt8], until end: Int) -> Bool {
        if let single = request.single {
            format.append(single, to: &buffer)
            return false
        }
        while buffer.count < end {
            if next < items.count {
                append(items[next], to: &buffer)
                next += 1
            } else if open != nil {
                readMore()
            } else if let directory = stack.popLast() {
                enter(directory, &buffer)
            } else {
                return false
            }
        }
        return true
    }

    private func enter(_ directory: (path: VirtualPath, shown: [UInt8], depth: Int), _ buffer: inout [UInt8]) {
        current = directory
        if request.isRecursive {
            if !isFirst { buffer += [0x0D, 0x0A] }
            ListingFormat.appendName(directory.shown.isEmpty ? Array(".".utf8) : directory.shown, to: &buffer)
            buffer += [UInt8(ascii: ":"), 0x0D, 0x0A]
        }
        isFirst = false
        do throws(SystemError) { open = try tree.open(directory.path, directory: true) } catch {
            // Withdrawn meanwhile, or out of descriptors: the rest is still listed.
            failure = error
        }
    }

    private func readMore() {
        guard let directory = open.take() else { return }
        names.removeAll(keepingCapacity: true)
        items.removeAll(keepingCapacity: true)
        next = 0
        var isOver = false
        do throws(SystemError) {
            while !isOver, items.count < Self.mostSorted {
                isOver = try !directory.listNext(withStatus: withStatus) { add($0) }
            }
        } catch {
            failure = error
            isOver = true
        }
        if isOver {
            sort()
            pushSubdirectories()
        } else {
            open = consume directory
        }
    }

    private func add(_ entry: Descriptor.ListedEntry) {
        if let glob = request.glob, !glob.matches(entry.name) { return }
        if request.isRecursive, entry.isDirectory { subdirectories.append(Array(entry.name)) }
        let mode = UInt16(entry.permissions & 0o777) | (entry.isDirectory ? Item.directoryBit : 0)
        items.append(
            Item(
                size: entry.size, modified: entry.modified, start: UInt32(names.count),
                length: UInt16(entry.name.count), mode: mode))
        names.append(contentsOf: entry.name)
    }

    private func sort() {
        names.withUnsafeBufferPointer { names in
            items.sort { a, b in
                names[a.name].lexicographicallyPrecedes(names[b.name])
            }
        }
    }

    private func pushSubdirectories() {
        defer { subdirectories = [] }
        guard let current, current.depth < Self.deepest else { return }
        for name in subdirectories.sorted(by: { $1.lexicographicallyPrecedes($0) }) {
            guard let path = current.path.resolving(name) else { continue }
            let shown = current.shown.isEmpty ? name : current.shown + [UInt8(ascii: "/")] + name
            stack.append((path, shown, current.depth + 1))
        }
    }

    private func append(_ item: Item, to buffer: inout [UInt8]) {
        let name = names[item.name]
        var entry = ListingEntry(
            name: request.prefix + name, kind: item.isDirectory ? .directory : .file, size: UInt64(max(0, item.size)),
            modified: Timestamp(seconds: item.modified), mode: item.mode & 0o777)
        if let digests, !item.isDirectory, let path = current?.path.resolving(Array(name)) {
            entry.digest = digests.lookUp(path.relative, in: tree)
        }
        format.append(entry, to: &buffer)
    }
}
