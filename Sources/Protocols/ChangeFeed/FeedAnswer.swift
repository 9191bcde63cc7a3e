/// What a host hears of the feed behind the position it asked from.
package struct FeedAnswer: Sendable, Hashable {
    /// In ascending order. Where rows are left out that do not concern the host, numbers are missing.
    package let rows: [FeedRow]
    /// Where to ask from next: the last row that was looked at, or the head when this is a reset.
    package let position: FeedPosition
    /// Whether a reading that began after the question found nothing behind ``position``.
    package let isAtHead: Bool
    /// The position asked from is not one of this feed, or its rows are gone: everything held has to be validated anew.
    package let isReset: Bool

    package init(rows: [FeedRow], position: FeedPosition, isAtHead: Bool, isReset: Bool = false) {
        self.rows = rows
        self.position = position
        self.isAtHead = isAtHead
        self.isReset = isReset
    }
}

/// Where the feed is taken up.
package enum FeedStart: Sendable, Hashable {
    case rows(after: Int)
    case reset

    /// - Parameters:
    ///   - position: what the host asked from; nil for a host that knows none.
    ///   - nonce: that of the row with the position's number; nil when there is no such row, or no longer.
    ///   - head: the newest row, which is never trimmed.
    package init(from position: FeedPosition?, nonce: UInt64?, head: FeedPosition) {
        guard let position, position.number <= head.number,
            position == head || position.number > 0 && position.nonce == nonce
        else {
            self = .reset
            return
        }
        self = .rows(after: position.number)
    }

    /// The same, where what the host holds was read from the feed at another position as well.
    package func holding(_ other: FeedStart) -> FeedStart { other == .reset ? .reset : self }
}

/// Which rows may be dropped.
package enum FeedTrim {
    /// The first number that has to stay: the lowest that a live host has applied, as it asks from there again, and the
    /// newest always. Without live hosts everything stays.
    package static func floor(acknowledged: some Sequence<Int>, head: Int) -> Int {
        min(acknowledged.min() ?? 0, head)
    }
}
