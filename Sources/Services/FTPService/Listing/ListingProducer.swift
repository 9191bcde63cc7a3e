import FFSModel
import FTPProtocol
import SystemSupport

/// Makes an FTP listing piece by piece on whichever thread sends it, some thousand names a piece, from ``FolderTables``.
final class ListingProducer: ChunkProducer {
    private typealias Directory = (path: VirtualPath, shown: [UInt8], depth: Int)

    private static let deepest = 64
    private static let piece = 64 * 1_024

    private let request: ListingRequest
    private let tree: AccountTree
    private let cache: ListingCache?
    private var format: ListingFormat
    private let withStatus: Bool
    private let digests: DigestIndex?
    /// Directories to be listed, the next one last.
    private var stack: [Directory]
    private var current: Directory?
    private var tables: FolderTables?
    private var table = ListingTable()
    private var next = 0
    private var isFirst = true
    /// Why a part is missing; nil when all is there.
    private(set) var failure: SystemError?
    /// What was produced, for the cache; nil once it is too much.
    private var text: [UInt8]?

    /// - Parameter cache: gets what is read, for the next who asks.
    init(_ request: ListingRequest, in tree: AccountTree, _ cache: ListingCache? = nil) {
        self.request = request
        self.tree = tree
        self.cache = cache
        format = ListingFormat(request.style, now: request.now)
        // A large directory's table serves all styles.
        withStatus = request.style != .names || request.isLarge
        if case .machine(let facts) = request.style, facts.contains(.digest) {
            digests = DigestIndex()
        } else {
            digests = nil
        }
        text = cache != nil && request.textKey != nil ? [] : nil
        stack = request.single == nil ? [(request.path, [], 0)] : []
    }

    func produce(into buffer: inout [UInt8]) -> Bool {
        let start = buffer.count
        let goesOn = produceMore(into: &buffer, until: start + Self.piece)
        text?.append(contentsOf: buffer[start...])
        if let made = text, made.count > ListingCache.mostOfOneText { text = nil }
        if !goesOn, failure == nil, let text, let key = request.textKey { cache?[text: key] = text }
        return goesOn
    }

    private func produceMore(into buffer: inout [UInt8], until end: Int) -> Bool {
        if let single = request.single {
            format.append(single, to: &buffer)
            return false
        }
        while buffer.count < end {
            if next < table.count {
                append(to: &buffer, until: end)
                if next < table.count { return true }
            } else if let tables {
                // Whoever runs this looks around after each turn of reading.
                guard read(tables) else { return true }
            } else if let directory = stack.popLast() {
                enter(directory, &buffer)
            } else {
                return false
            }
        }
        return true
    }

    private func enter(_ directory: Directory, _ buffer: inout [UInt8]) {
        current = directory
        if request.isRecursive {
            if !isFirst { buffer += [0x0D, 0x0A] }
            ListingFormat.appendName(directory.shown.isEmpty ? Array(".".utf8) : directory.shown, to: &buffer)
            buffer += [UInt8(ascii: ":"), 0x0D, 0x0A]
        }
        isFirst = false
        do throws(SystemError) {
            tables = try FolderTables(
                directory.path, in: tree, cache, request.tableKey, withStatus: withStatus,
                mostHeld: request.isRecursive ? Self.mostHeldOfMany : ListingReader.mostHeld)
        } catch {
            // Withdrawn meanwhile, or out of descriptors: the rest is still listed.
            fail(error)
        }
    }

    /// Of each directory, where many are listed.
    private static let mostHeldOfMany = 1 << 20

    private func fail(_ error: SystemError) {
        failure = error
        tables = nil
    }

    /// False when there is nothing to show yet.
    private func read(_ tables: FolderTables) -> Bool {
        do throws(SystemError) {
            guard case .table(let read, let isLast) = try tables.next() else { return false }
            if isLast { self.tables = nil }
            if !tables.isWhole { text = nil }
            table = read
            next = 0
            if request.isRecursive { pushSubdirectories() }
        } catch { fail(error) }
        return true
    }

    private func pushSubdirectories() {
        guard let current, current.depth < Self.deepest else { return }
        for name in table.directories.reversed() {
            guard let path = current.path.resolving(name) else { continue }
            let shown = current.shown.isEmpty ? name : current.shown + [UInt8(ascii: "/")] + name
            stack.append((path, shown, current.depth + 1))
        }
    }

    private func append(to buffer: inout [UInt8], until end: Int) {
        guard let digests, let path = current?.path else {
            return table.append(from: &next, to: &buffer, until: end, &format, request, digest: nil)
        }
        table.append(from: &next, to: &buffer, until: end, &format, request) { [tree] name in
            path.resolving(Array(name)).flatMap { digests.lookUp($0.relative, in: tree) }
        }
    }
}
