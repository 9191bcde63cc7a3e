import Synchronization

/// Directory pages as they went out, for whoever asks next, on any thread. A published tree never changes, and a
/// directory's change time would say if it did.
final class ListedPages: Sendable {
    struct Key: Hashable, Sendable {
        let device: UInt64
        let inode: UInt64
        let changed: Int64
        /// Pages show it.
        let path: [UInt8]
        let asJSON: Bool
    }

    private struct Kept {
        var pages: [Key: [UInt8]] = [:]
        /// Oldest first.
        var order: [Key] = []
        var bytes = 0
    }

    private let kept = Mutex(Kept())
    /// Bytes of one page and of all of them together.
    static let mostOfOne = 4 << 20
    private static let most = 16 << 20

    /// nil for a page that nobody asked for lately; what is set once stays.
    subscript(key: Key) -> [UInt8]? {
        get { kept.withLock { $0.pages[key] } }
        set {
            guard let page = newValue, page.count <= Self.mostOfOne else { return }
            kept.withLock { kept in
                guard kept.pages[key] == nil else { return }
                kept.pages[key] = page
                kept.order.append(key)
                kept.bytes += page.count
                while kept.bytes > Self.most, let oldest = kept.order.first {
                    kept.order.removeFirst()
                    kept.bytes -= kept.pages.removeValue(forKey: oldest)?.count ?? 0
                }
            }
        }
    }
}
