import FFSModel
import SystemSupport

/// What a folder holds as tables, from whoever has it: another listing that was made of it, FTP's or HTTPS's, the
/// account's index, or the folder itself. Memory is bounded by ``ListingReader``. One thread at a time.
final class FolderTables {
    enum Step {
        /// There is more to read; nothing to show yet.
        case more
        case table(ListingTable, isLast: Bool)
    }

    private let path: VirtualPath
    private let tree: AccountTree
    private let cache: ListingCache?
    private let key: ListingCache.TableKey?
    private let withStatus: Bool
    private var known: ListingTable?
    private var reader: ListingReader?
    /// Holds the cache's leave to read the folder whole.
    private var isReadingWhole = false
    /// Whether all came in one table, in order: it may be shown again to the next who asks.
    private(set) var isWhole = true

    /// - Parameters:
    ///   - key: of a folder whose table is worth keeping in `cache`.
    ///   - mostHeld: bytes of a folder that is not kept and held whole all the same.
    init(
        _ path: VirtualPath, in tree: AccountTree, _ cache: ListingCache?, _ key: ListingCache.TableKey?,
        withStatus: Bool, mostHeld: Int = ListingReader.mostHeld
    ) throws(SystemError) {
        self.path = path
        self.tree = tree
        self.cache = cache
        self.key = key
        self.withStatus = withStatus
        guard let cache, let key else {
            try open(mostHeld: mostHeld)
            return
        }
        known = cache[table: key]
        guard known == nil else { return }
        isReadingWhole = cache.beginReading(key)
        do throws(SystemError) { try open(mostHeld: isReadingWhole ? ListingReader.mostHeld : nil) } catch {
            endReading(isTooLarge: false)
            throw error
        }
    }

    deinit { endReading(isTooLarge: false) }

    private func open(mostHeld: Int?) throws(SystemError) {
        reader = ListingReader(
            try tree.open(path, directory: true), index: tree.indexed(path), withStatus: withStatus,
            mostHeld: mostHeld)
    }

    private func endReading(isTooLarge: Bool) {
        guard isReadingWhole, let key else { return }
        isReadingWhole = false
        cache?.endReading(key, isTooLarge: isTooLarge)
    }

    /// The next step; none follows the last table.
    func next() throws(SystemError) -> Step {
        if let known { return .table(known, isLast: true) }
        guard let reader else { return .table(ListingTable(), isLast: true) }
        switch try reader.read() {
        case .more: return .more
        case .whole(var table):
            self.reader = nil
            if let cache, let key { table = cache.keep(table, key) }
            endReading(isTooLarge: false)
            return .table(table, isLast: true)
        case .part(let table, let isLast):
            // Several parts may not be in order.
            if isLast { self.reader = nil } else { isWhole = false }
            return .table(table, isLast: isLast)
        case .tooLarge:
            endReading(isTooLarge: true)
            isWhole = false
            try open(mostHeld: nil)
            return .more
        }
    }
}
