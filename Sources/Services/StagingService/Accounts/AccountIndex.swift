import FFSModel
import StoredFormats
import Synchronization

/// What is known of living accounts in memory: enough to expire and list them. The area on disk has the rest.
final class AccountIndex: Sendable {
    /// An account's 16 characters as two big-endian words: order and equality are those of the text, and a million
    /// of them need no allocation.
    private struct Key: Hashable, Comparable {
        let high: UInt64
        let low: UInt64

        init(_ account: AccountID) {
            var words: [UInt64] = [0, 0]
            for (index, byte) in account.text.utf8.prefix(16).enumerated() {
                words[index / 8] = words[index / 8] << 8 | UInt64(byte)
            }
            high = words[0]
            low = words[1]
        }

        var account: AccountID {
            let bytes = [high, low].flatMap { word in
                (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) }
            }
            return AccountID(validated: String(decoding: bytes, as: UTF8.self))
        }

        static func < (a: Key, b: Key) -> Bool { (a.high, a.low) < (b.high, b.low) }
    }

    private struct Entry {
        var expires: Int64
        let customer: Int32
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        var customers: [CustomerName: Int32] = [:]
        var customerCount: Int32 = 0
        /// Expiry times with their accounts; extended or withdrawn ones stay until their old time comes.
        var expiries = Heap<(time: Int64, key: Key)> { $0.time < $1.time }
        var isComplete = false
    }

    private let state = Mutex(State())

    var count: Int { state.withLock { $0.entries.count } }

    /// Adds a living account, or notes its new expiry.
    func add(_ record: AccountRecord) {
        state.withLock { state in
            let key = Key(record.account)
            let customer: Int32
            if let known = state.customers[record.customer] {
                customer = known
            } else {
                customer = state.customerCount
                state.customerCount += 1
                state.customers[record.customer] = customer
            }
            state.entries[key] = Entry(expires: record.expires.seconds, customer: customer)
            state.expiries.insert((record.expires.seconds, key))
        }
    }

    func remove(_ account: AccountID) { state.withLock { $0.entries[Key(account)] = nil } }

    /// The area has been read to its end: what is not here does not exist.
    func markComplete() { state.withLock { $0.isComplete = true } }

    /// Up to `limit` accounts whose time has come. They stay listed until removed.
    func expired(at now: Timestamp, limit: Int) -> [AccountID] {
        state.withLock { state in
            var due: [AccountID] = []
            while due.count < limit, let first = state.expiries.first, first.time <= now.seconds {
                _ = state.expiries.popFirst()
                guard let entry = state.entries[first.key], entry.expires <= now.seconds else { continue }
                due.append(first.key.account)
            }
            return due
        }
    }

    /// The first `limit` accounts after `after` in byte order, of `customer` or of all; nil while the area is still
    /// being read.
    func page(customer: CustomerName?, after: AccountID?, limit: Int) -> [AccountID]? {
        state.withLock { state in
            guard state.isComplete else { return nil }
            let wanted = customer.map { state.customers[$0] ?? -1 }
            let start = after.map(Key.init)
            var page = Heap<Key> { $0 > $1 }
            for (key, entry) in state.entries {
                if let wanted, entry.customer != wanted { continue }
                if let start, key <= start { continue }
                if page.count < limit {
                    page.insert(key)
                } else if let last = page.first, key < last {
                    _ = page.popFirst()
                    page.insert(key)
                }
            }
            return page.elements.sorted().map(\.account)
        }
    }
}

/// A binary heap: `first` is the element before which, by `precedes`, no other comes.
struct Heap<Element> {
    private(set) var elements: [Element] = []
    private let precedes: (Element, Element) -> Bool

    init(precedes: @escaping (Element, Element) -> Bool) { self.precedes = precedes }

    var first: Element? { elements.first }
    var count: Int { elements.count }

    mutating func insert(_ element: Element) {
        elements.append(element)
        var child = elements.count - 1
        while child > 0, case let parent = (child - 1) / 2, precedes(elements[child], elements[parent]) {
            elements.swapAt(child, parent)
            child = parent
        }
    }

    mutating func popFirst() -> Element? {
        guard let first = elements.first, let last = elements.popLast() else { return nil }
        guard !elements.isEmpty else { return first }
        elements[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < elements.count {
                if precedes(elements[child], elements[least]) { least = child }
            }
            if least == parent { return first }
            elements.swapAt(parent, least)
            parent = least
        }
    }
}
