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

    /// A directory of this size (its own blocks, not its content) is read by a data thread.
    static let largeDirectory = 64 * 1_024
    var isLarge: Bool { (directory?.size ?? 0) > Self.largeDirectory }

    /// nil for what is read quickly, or in many pieces.
    var tableKey: ListingCache.TableKey? {
        guard let directory, isLarge, !isRecursive else { return nil }
        return ListingCache.TableKey(directory)
    }

    /// nil for what is not worth keeping.
    var textKey: ListingCache.TextKey? {
        guard let directory, glob == nil, !isRecursive, prefix.isEmpty else { return nil }
        return ListingCache.TextKey(
            table: ListingCache.TableKey(directory), style: .lines(style, day: now.seconds / 86_400))
    }
}

extension ListingCache.TableKey {
    init(_ directory: FileStatus) {
        self.init(device: directory.device, inode: directory.inode, changed: directory.changed)
    }
}
