import FFSModel
import FTPProtocol
import HTTPDownload
import SystemSupport

/// Renders a directory some hundred entries at a time: names are held (sorted), their properties looked up as they go out.
final class DirectoryLister {
    private let path: VirtualPath
    private let account: Account
    private let asJSON: Bool
    private let directory: Descriptor
    private let names: [[UInt8]]
    private var position = 0
    private var isFirst = true

    private static let batch = 500
    /// Digests are looked up one by one, so only for directories that people read.
    private static let mostDigests = 2_000

    /// Throws when `path` is not a directory of the account.
    init(_ path: VirtualPath, _ account: Account, asJSON: Bool) throws(SystemError) {
        self.path = path
        self.account = account
        self.asJSON = asJSON
        directory = try account.tree.open(path, directory: true)
        var names: [[UInt8]] = []
        try directory.forEachEntry { entry throws(SystemError) in
            names.append(entry.name.bytes)
            return true
        }
        self.names = names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// Appends the next piece; false once that was the last.
    func next(into out: inout [UInt8]) -> Bool {
        if position == 0 { out += asJSON ? DirectoryPage.jsonHead(path) : DirectoryPage.htmlHead(path) }
        let end = min(names.count, position + Self.batch)
        for name in names[position..<end] {
            guard let entry = entry(name) else { continue }
            if asJSON {
                DirectoryPage.jsonRow(entry, isFirst: isFirst, into: &out)
            } else {
                DirectoryPage.htmlRow(entry, into: &out)
            }
            isFirst = false
        }
        position = end
        guard position == names.count else { return true }
        out += asJSON ? DirectoryPage.jsonTail : DirectoryPage.htmlTail
        // An empty directory comes here with position 0 and must not render its head again.
        position = max(1, position)
        return false
    }

    /// nil for what vanished meanwhile and for what is neither file nor directory.
    private func entry(_ name: [UInt8]) -> ListingEntry? {
        guard let place = CPath(bytes: name), let status = try? directory.status(of: place),
            status.kind == .file || status.kind == .directory
        else {
            return nil
        }
        let wantsDigest = asJSON && status.kind == .file && names.count <= Self.mostDigests
        return ListingEntry(
            name: name, kind: status.kind == .file ? .file : .directory, size: UInt64(max(0, status.size)),
            modified: Timestamp(seconds: status.modified / 1_000_000_000), mode: UInt16(status.permissions & 0o777),
            digest: wantsDigest ? path.resolving(name).flatMap { account.digest(of: $0) } : nil)
    }
}
