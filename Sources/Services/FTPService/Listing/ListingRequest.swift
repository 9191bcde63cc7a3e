import FFSModel
import FTPProtocol
import SystemSupport

/// What a listing shows.
struct ListingRequest: Sendable {
    let path: VirtualPath
    let style: ListingFormat.Style
    let now: Timestamp
    /// Status of the directory; nil for single names.
    let directory: FileStatus?
    let single: ListingEntry?
    var isRecursive = false
    var glob: Glob?
    /// Put in front of each name.
    var prefix: [UInt8] = []

    init(_ path: VirtualPath, _ style: ListingFormat.Style, now: Timestamp, directory: FileStatus?) {
        self.path = path
        self.style = style
        self.now = now
        self.directory = directory
        single = nil
    }

    init(single entry: ListingEntry, _ style: ListingFormat.Style, now: Timestamp) {
        path = .root
        self.style = style
        self.now = now
        directory = nil
        single = entry
    }

    /// nil for what is not worth keeping.
    var cacheKey: ListingCache.Key? {
        guard let directory, glob == nil, !isRecursive, prefix.isEmpty else { return nil }
        return ListingCache.Key(
            device: directory.device, inode: directory.inode, changed: directory.changed, style: style,
            day: now.seconds / 86_400)
    }
}

/// Listings of directories as they went out. A published tree never changes, and a directory's change time would say
/// if it did; the day is part of the key because LIST shows a year instead of a time after half a year.
final class ListingCache {
    struct Key: Hashable {
        let device: UInt64
        let inode: UInt64
        let changed: Int64
        let style: ListingFormat.Style
        let day: Int64
    }

    private var texts: [Key: [UInt8]] = [:]
    /// Oldest first.
    private var order: [Key] = []
    private var bytes = 0
    /// Bytes of one listing and of all of them together.
    static let mostOfOne = 2 << 20
    private static let most = 8 << 20

    subscript(key: Key) -> [UInt8]? {
        get { texts[key] }
        set {
            if let old = texts.removeValue(forKey: key) {
                bytes -= old.count
                order.removeAll { $0 == key }
            }
            guard let newValue, newValue.count <= Self.mostOfOne else { return }
            texts[key] = newValue
            order.append(key)
            bytes += newValue.count
            while bytes > Self.most, let oldest = order.first {
                order.removeFirst()
                bytes -= texts.removeValue(forKey: oldest)?.count ?? 0
            }
        }
    }
}
