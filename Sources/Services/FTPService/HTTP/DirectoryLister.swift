import FFSModel
import FTPProtocol
import HTTPDownload
import SystemSupport

/// Renders a directory as page or JSON piece by piece, on a thread that may wait, from the tables that FTP's listings
/// use as well. Digests that the tables lack are read in step with the sorted names.
///
/// Used by one thread at a time, which a `Handoff` carries it to.
final class DirectoryLister {
    private let path: VirtualPath
    private let tree: AccountTree
    private let asJSON: Bool
    private let cache: ListingCache
    private let status: FileStatus
    private let digests = DigestIndex()
    private var tables: FolderTables?
    private var table = ListingTable()
    private var shown = 0
    private var isFirst = true
    private var hasBegun = false
    /// What was rendered so far; nil once it is too much to be kept.
    private var collected: [UInt8]? = []

    /// Rows of a piece.
    private static let batch = 500

    /// Throws when `path` is not a directory of the account.
    init(_ path: VirtualPath, in tree: AccountTree, asJSON: Bool, _ cache: ListingCache)
        throws(SystemError)
    {
        self.path = path
        self.tree = tree
        self.asJSON = asJSON
        self.cache = cache
        status = try tree.open(path, directory: true).status()
    }

    private var key: ListingCache.TextKey {
        ListingCache.TextKey(
            table: ListingCache.TableKey(status), style: asJSON ? .json(path.bytes) : .page(path.bytes))
    }

    /// The whole, when somebody asked for it before.
    var kept: [UInt8]? { cache[text: key] }

    /// Appends the next piece; false once that was the last. Throws when names cannot be read.
    func next(into out: inout [UInt8]) throws(SystemError) -> Bool {
        let start = out.count
        let goesOn = try render(into: &out)
        collected?.append(contentsOf: out[start...])
        if let text = collected, text.count > ListingCache.mostOfOneText { collected = nil }
        if !goesOn, let collected { cache[text: key] = collected }
        return goesOn
    }

    private func render(into out: inout [UInt8]) throws(SystemError) -> Bool {
        if !hasBegun {
            hasBegun = true
            out += asJSON ? DirectoryPage.jsonHead(path) : DirectoryPage.htmlHead(path)
            let isLarge = status.size > ListingRequest.largeDirectory
            tables = try FolderTables(
                path, in: tree, cache, isLarge ? ListingCache.TableKey(status) : nil, withStatus: true)
        }
        while shown == table.count, let tables {
            guard case .table(let read, let isLast) = try tables.next() else { return true }
            if isLast { self.tables = nil }
            if !tables.isWhole { collected = nil }
            (table, shown) = (read, 0)
        }
        let end = min(table.count, shown + Self.batch)
        while shown < end {
            row(table.entry(shown), into: &out)
            shown += 1
        }
        guard shown == table.count, tables == nil else { return true }
        out += asJSON ? DirectoryPage.jsonTail : DirectoryPage.htmlTail
        return false
    }

    private func row(_ entry: ListingEntry, into out: inout [UInt8]) {
        guard asJSON else { return DirectoryPage.htmlRow(entry, into: &out) }
        var entry = entry
        if entry.digest == nil, entry.kind == .file {
            entry.digest = path.resolving(entry.name).flatMap { digests.lookUp($0.relative, in: tree) }
        }
        DirectoryPage.jsonRow(entry, isFirst: isFirst, into: &out)
        isFirst = false
    }
}
