import FFSModel
import FTPProtocol
import HTTPDownload
import StoredFormats
import SystemSupport

/// Renders a directory piece by piece, on a thread that may wait. Digests are read in step with the sorted names.
///
/// Used by one thread at a time, which a `Handoff` carries it to.
final class DirectoryLister {
    private let path: VirtualPath
    private let tree: AccountTree
    private let asJSON: Bool
    private let directory: Descriptor
    private let pages: ListedPages
    private let key: ListedPages.Key
    private let digests = DigestIndex()
    private var source: Source?
    private var isFirst = true

    /// Where the names come from, in byte order.
    private enum Source {
        /// Written down when the tree was built.
        case index(IndexedFolder)
        case names(ArraySlice<[UInt8]>)
    }
    /// What was rendered so far; nil once it is too much to be kept.
    private var collected: [UInt8]? = []

    private static let batch = 500

    /// Throws when `path` is not a directory of the account.
    init(_ path: VirtualPath, in tree: AccountTree, asJSON: Bool, _ pages: ListedPages) throws(SystemError) {
        self.path = path
        self.tree = tree
        self.asJSON = asJSON
        self.pages = pages
        directory = try tree.open(path, directory: true)
        let status = try directory.status()
        key = ListedPages.Key(
            device: status.device, inode: status.inode, changed: status.changed, path: path.bytes, asJSON: asJSON)
    }

    /// The whole, when somebody asked for it before.
    var kept: [UInt8]? { pages[key] }

    /// Appends the next piece; false once that was the last. Throws when names cannot be read.
    func next(into out: inout [UInt8]) throws -> Bool {
        let start = out.count
        let goesOn = try render(into: &out)
        collected?.append(contentsOf: out[start...])
        if let text = collected, text.count > ListedPages.mostOfOne { collected = nil }
        if !goesOn, let collected { pages[key] = collected }
        return goesOn
    }

    private func render(into out: inout [UInt8]) throws -> Bool {
        switch source {
        case nil:
            out += asJSON ? DirectoryPage.jsonHead(path) : DirectoryPage.htmlHead(path)
            source = try tree.indexed(path).map(Source.index) ?? .names(readNames()[...])
            return true
        case .index(var folder):
            let entries = try folder.next()
            source = .index(folder)
            for entry in entries { if let entry = listed(entry) { row(entry, into: &out) } }
            guard entries.isEmpty else { return true }
        case .names(let names):
            for name in names.prefix(Self.batch) { if let entry = looked(at: name) { row(entry, into: &out) } }
            source = .names(names.dropFirst(Self.batch))
            guard names.count <= Self.batch else { return true }
        }
        out += asJSON ? DirectoryPage.jsonTail : DirectoryPage.htmlTail
        return false
    }

    private func row(_ entry: ListingEntry, into out: inout [UInt8]) {
        if asJSON {
            DirectoryPage.jsonRow(entry, isFirst: isFirst, into: &out)
        } else {
            DirectoryPage.htmlRow(entry, into: &out)
        }
        isFirst = false
    }

    private func readNames() throws(SystemError) -> [[UInt8]] {
        var names: [[UInt8]] = []
        try directory.forEachEntry { entry throws(SystemError) in
            names.append(entry.name.bytes)
            return true
        }
        names.sort { $0.lexicographicallyPrecedes($1) }
        return names
    }

    /// An entry of the index; what it does not know the tree is asked.
    private func listed(_ entry: TreeIndex.Entry) -> ListingEntry? {
        guard let modified = entry.modified else { return looked(at: entry.name, digest: entry.digest) }
        return ListingEntry(
            name: entry.name, kind: entry.isFolder ? .directory : .file, size: UInt64(max(0, entry.size)),
            modified: Timestamp(seconds: modified), mode: 0o444, digest: asJSON ? entry.digest : nil)
    }

    /// nil for what vanished meanwhile and for what is neither file nor directory.
    private func looked(at name: [UInt8], digest: ContentDigest? = nil) -> ListingEntry? {
        guard let place = CPath(bytes: name), let status = try? directory.status(of: place),
            status.kind == .file || status.kind == .directory
        else {
            return nil
        }
        var digest = digest
        if digest == nil, asJSON, status.kind == .file {
            digest = path.resolving(name).flatMap { digests.lookUp($0.relative, in: tree) }
        }
        return ListingEntry(
            name: name, kind: status.kind == .file ? .file : .directory, size: UInt64(max(0, status.size)),
            modified: Timestamp(seconds: status.modified / 1_000_000_000), mode: UInt16(status.permissions & 0o777),
            digest: asJSON ? digest : nil)
    }
}
