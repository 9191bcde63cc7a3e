import FFSModel

/// An account's 16 characters as two big-endian words: order and equality are those of the text, and a million of them
/// need no allocation.
struct AccountKey: Hashable, Comparable {
    let high: UInt64
    let low: UInt64

    init(_ account: AccountID) {
        var words: (UInt64, UInt64) = (0, 0)
        for (index, byte) in account.text.utf8.prefix(16).enumerated() {
            if index < 8 { words.0 = words.0 << 8 | UInt64(byte) } else { words.1 = words.1 << 8 | UInt64(byte) }
        }
        (high, low) = words
    }

    var account: AccountID {
        let bytes = [high, low].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) }
        }
        return AccountID(validated: String(decoding: bytes, as: UTF8.self))
    }

    static func < (a: AccountKey, b: AccountKey) -> Bool { (a.high, a.low) < (b.high, b.low) }
}

/// Accounts in the order of their creation, listed from the newest. Kept in sorted blocks, so that adding or removing one
/// moves a block's worth of memory, not a million accounts'.
struct NewestFirst {
    struct Place: Comparable {
        /// Seconds since 1970.
        let created: Int64
        let key: AccountKey

        static func < (a: Place, b: Place) -> Bool { (a.created, a.key) < (b.created, b.key) }
    }

    /// Oldest first, none empty.
    private var blocks: [[Place]] = []
    private(set) var count = 0
    /// Places in a block before it is halved.
    private static let blockLimit = 1_024

    mutating func insert(_ place: Place) {
        count += 1
        guard !blocks.isEmpty else { return blocks = [[place]] }
        let number = min(block(of: place), blocks.count - 1)
        blocks[number].insert(place, at: blocks[number].firstIndex(notBefore: place))
        guard blocks[number].count > Self.blockLimit else { return }
        let half = Array(blocks[number][(Self.blockLimit / 2)...])
        blocks[number].removeSubrange((Self.blockLimit / 2)...)
        blocks.insert(half, at: number + 1)
    }

    mutating func remove(_ place: Place) {
        let number = block(of: place)
        guard number < blocks.count, case let index = blocks[number].firstIndex(notBefore: place),
            blocks[number][index] == place
        else { return }
        blocks[number].remove(at: index)
        if blocks[number].isEmpty { blocks.remove(at: number) }
        count -= 1
    }

    /// The newest `limit` accounts, of those older than `last` if that is given.
    func page(after last: Place?, limit: Int) -> [Place] {
        var page: [Place] = []
        var number = blocks.count - 1
        var end: Int?
        if let last {
            number = min(block(of: last), blocks.count - 1)
            if number >= 0 { end = blocks[number].firstIndex(notBefore: last) }
        }
        while number >= 0, page.count < limit {
            page += blocks[number][..<(end ?? blocks[number].count)].reversed().prefix(limit - page.count)
            (number, end) = (number - 1, nil)
        }
        return page
    }

    /// The first block whose last place is not before `place`.
    private func block(of place: Place) -> Int {
        var (low, high) = (0, blocks.count)
        while low < high {
            let middle = (low + high) / 2
            if let last = blocks[middle].last, last < place { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension Array where Element: Comparable {
    /// In a sorted array: the first index whose element is not before `element`; `count` when there is none.
    fileprivate func firstIndex(notBefore element: Element) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < element { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
