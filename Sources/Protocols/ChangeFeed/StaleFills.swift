/// Keeps late replies from filling a cache with what a change has ended meanwhile.
///
/// A reply that fills a cache carries the feed's position in the snapshot it was read from. Were the change applied while the
/// reply was under way, nothing would ever drop the entry again. What is remembered is as much as there are fills under way.
package struct StaleFills: Sendable {
    package struct Ticket: Sendable, Hashable { fileprivate let number: UInt64 }

    private struct Fill {
        let keys: Set<FeedKey>
        /// A snapshot before this number lacks something that was applied.
        var oldest: Int
    }

    private var fills: [Ticket: Fill] = [:]
    private var last: UInt64 = 0
    private var applied = 0

    package init() {}

    /// Fills under way.
    package var count: Int { fills.count }

    /// Before the question is sent that will fill an entry depending on `keys`.
    package mutating func begin(_ keys: Set<FeedKey>) -> Ticket {
        last += 1
        let ticket = Ticket(number: last)
        fills[ticket] = Fill(keys: keys, oldest: applied)
        return ticket
    }

    /// A row was applied to what the cache holds.
    package mutating func applied(_ row: FeedRow) {
        applied = max(applied, row.position.number)
        let key = row.key
        for (ticket, fill) in fills where fill.keys.contains(key) { fills[ticket]?.oldest = row.position.number }
    }

    /// The feed was reset: no fill under way can be compared with it.
    package mutating func reset(to position: FeedPosition) {
        fills.removeAll()
        applied = position.number
    }

    /// Once for each ticket: whether what a snapshot at `position` said may be kept; nil for a fill that failed.
    package mutating func finish(_ ticket: Ticket, snapshot position: FeedPosition?) -> Bool {
        guard let fill = fills.removeValue(forKey: ticket), let position else { return false }
        return position.number >= fill.oldest
    }
}
