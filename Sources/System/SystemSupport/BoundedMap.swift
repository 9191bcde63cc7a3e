/// A map of at most `capacity` keys. When it is full, the quarter that was set longest ago goes, so that strangers who
/// name ever new keys cost bounded memory. That sorts the map, once in `capacity / 4` new keys.
package struct BoundedMap<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct Entry: Sendable {
        var value: Value
        var age: UInt64
    }

    private var entries: [Key: Entry] = [:]
    private var age: UInt64 = 0
    /// Keys that it holds at most; a smaller one takes effect with the next new key.
    package var capacity: Int
    /// Values that stay whatever their age; the map grows beyond its capacity where all do.
    private let isPinned: @Sendable (Value) -> Bool

    package init(capacity: Int, isPinned: @escaping @Sendable (Value) -> Bool = { _ in false }) {
        self.capacity = capacity
        self.isPinned = isPinned
    }

    package var count: Int { entries.count }

    /// Setting makes the key the youngest.
    package subscript(key: Key) -> Value? {
        get { entries[key]?.value }
        set {
            guard let newValue else {
                entries[key] = nil
                return
            }
            if entries[key] == nil { makeRoom() }
            age += 1
            entries[key] = Entry(value: newValue, age: age)
        }
    }

    /// Changes the values of all keys that `isMeant`; nil removes. Their ages stay.
    package mutating func change(where isMeant: (Key) -> Bool, _ change: (Value) -> Value?) {
        for key in entries.keys.filter(isMeant) {
            guard let entry = entries[key] else { continue }
            entries[key] = change(entry.value).map { Entry(value: $0, age: entry.age) }
        }
    }

    private mutating func makeRoom() {
        guard entries.count >= capacity else { return }
        let old = entries.filter { !isPinned($0.value.value) }.map { (key: $0.key, age: $0.value.age) }
        for (key, _) in old.sorted(by: { $0.age < $1.age }).prefix(max(1, capacity / 4)) { entries[key] = nil }
    }
}
