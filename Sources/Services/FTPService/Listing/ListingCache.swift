import FTPProtocol
import Synchronization

/// Listings for the next who asks, over FTP or HTTPS, on any thread: short ones as they went out, and the tables of large
/// directories, from which each style is rendered. A published tree never changes, and a directory's change time would say
/// if it did.
package final class ListingCache: Sendable {
    package init() {}

    struct TableKey: Hashable {
        let device: UInt64
        let inode: UInt64
        let changed: Int64
    }

    struct TextKey: Hashable {
        let table: TableKey
        let style: Style
    }

    enum Style: Hashable {
        /// LIST shows a year instead of a time after half a year: the day counts.
        case lines(ListingFormat.Style, day: Int64)
        /// HTTPS's, which show their path.
        case page([UInt8])
        case json([UInt8])
    }

    private let tables = Mutex(Shelf<TableKey, ListingTable>(most: 3 * ListingReader.mostHeld))
    private let texts = Mutex(Shelf<TextKey, [UInt8]>(most: 4 * ListingCache.mostOfOneText))
    /// Bytes of one text; a longer listing is rendered from its table.
    static let mostOfOneText = 4 << 20

    subscript(text key: TextKey) -> [UInt8]? {
        get { texts.withLock { $0.values[key]?.value } }
        set {
            guard let newValue, newValue.count <= Self.mostOfOneText else { return }
            texts.withLock { $0.put(newValue, key, bytes: newValue.count) }
        }
    }

    subscript(table key: TableKey) -> ListingTable? { tables.withLock { $0.values[key]?.value } }

    /// Keeps `table`; returns the one to use, which may be one that another made meanwhile: two are not held.
    func keep(_ table: ListingTable, _ key: TableKey) -> ListingTable {
        tables.withLock { shelf in
            if let known = shelf.values[key]?.value { return known }
            shelf.put(table, key, bytes: table.bytes)
            return table
        }
    }

    private struct Reading {
        var isBusy = false
        var tooLarge: Set<TableKey> = []
        static let mostRemembered = 64
    }

    private let reading = Mutex(Reading())

    /// Whether a large directory may be held whole now, to be sorted and kept: one at a time, so that many who list at once
    /// take no more memory, and none that has proved too large. ``endReading(_:isTooLarge:)`` follows when it may.
    func beginReading(_ key: TableKey) -> Bool {
        reading.withLock { reading in
            guard !reading.isBusy, !reading.tooLarge.contains(key) else { return false }
            reading.isBusy = true
            return true
        }
    }

    func endReading(_ key: TableKey, isTooLarge: Bool) {
        reading.withLock { reading in
            reading.isBusy = false
            guard isTooLarge else { return }
            if reading.tooLarge.count == Reading.mostRemembered { reading.tooLarge = [] }
            reading.tooLarge.insert(key)
        }
    }

    /// Values up to a sum of bytes; the oldest go first.
    private struct Shelf<Key: Hashable, Value> {
        private(set) var values: [Key: (value: Value, bytes: Int)] = [:]
        /// Oldest first.
        private var order: [Key] = []
        private var bytes = 0
        private let most: Int

        init(most: Int) { self.most = most }

        mutating func put(_ value: Value, _ key: Key, bytes size: Int) {
            if let old = values.removeValue(forKey: key) {
                bytes -= old.bytes
                order.removeAll { $0 == key }
            }
            values[key] = (value, size)
            order.append(key)
            bytes += size
            while bytes > most, let oldest = order.first {
                order.removeFirst()
                bytes -= values.removeValue(forKey: oldest)?.bytes ?? 0
            }
        }
    }
}
