package import ChangeFeed
package import FFSModel
package import Tobj

/// `feed.next`: what has changed in the master database behind a position. With nothing new the reply waits until there is,
/// at most `wait` milliseconds: a third of the asker's lease.
///
///     <node>storage-1</node> <after>17-00f1e2d3c4b5a697</after> <wait>10000</wait>
///
/// Every question has a request id of its own. A later question of the same node ends the wait of an earlier one.
package struct FeedNext: RequestMessage {
    package typealias Reply = FeedAnswer
    package static var type: RequestType { .feedNext }
    package let node: NodeName
    /// nil for a host that knows no position: it gets a reset, with the head to begin from.
    package let after: FeedPosition?
    /// Other positions that something held was read from, at most 16; a feed that lacks one of them answers with a reset.
    package let seen: [FeedPosition]
    /// Milliseconds.
    package let wait: Int
    package let limit: Int

    /// Milliseconds that a question may wait.
    package static let waits = 0...60_000

    package init(node: NodeName, after: FeedPosition?, seen: [FeedPosition] = [], wait: Int, limit: Int = 500) {
        self.seen = seen
        self.node = node
        self.after = after
        self.wait = wait
        self.limit = limit
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["node", "after", "seen", "wait", "limit"])
        node = try fields.name("node")
        after = fields.optional("after") == nil ? nil : try fields.value("after") { FeedPosition($0) }
        seen = fields.optional("seen") == nil ? [] : try fields.value("seen", Self.positions)
        wait = try fields.integer("wait", in: Self.waits)
        limit = try fields.pageLimit()
    }

    package var body: [Element] {
        [.field("node", node)] + (after.map { [.field("after", $0)] } ?? [])
            + (seen.isEmpty ? [] : [.field("seen", seen.map(\.description).joined(separator: " "))]) + [
                .field("wait", wait), .field("limit", limit),
            ]
    }
}

extension FeedNext {
    private static func positions(_ text: String) -> [FeedPosition]? {
        let parts = text.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard parts.count <= FeedFollower.mostSeen else { return nil }
        let positions = parts.compactMap { FeedPosition(String(decoding: $0, as: UTF8.self)) }
        return positions.count == parts.count ? positions : nil
    }
}

extension FeedAnswer: ReplyMessage {
    package init(fields: Fields) throws(Failure) {
        self.init(
            rows: try fields.all("row").map { element throws(Failure) in
                try FeedRow(fields: Fields(element.children, of: "row"))
            },
            position: try fields.value("position") { FeedPosition($0) }, isAtHead: fields.flag("at-head"),
            isReset: fields.flag("reset"))
    }

    package var body: [Element] {
        rows.map { Element("row", children: $0.body) } + [.field("position", position)]
            + (isAtHead ? [Element("at-head")] : []) + (isReset ? [Element("reset")] : [])
    }
}

extension FeedRow: PageRow {
    package init(fields: Fields) throws(Failure) {
        var keys: [Column: String] = [:]
        for column in Column.allCases { keys[column] = try fields.optionalText(column.rawValue) }
        self.init(
            position: try fields.value("position") { FeedPosition($0) },
            entity: try fields.value("entity", Entity.init), operation: try fields.value("operation", Operation.init),
            keys: keys)
    }

    package var body: [Element] {
        [.field("position", position), .field("entity", entity.rawValue), .field("operation", operation.rawValue)]
            + Column.allCases.compactMap { column in keys[column].map { .field(column.rawValue, $0) } }
    }
}

/// `feed.acknowledge`: the node has applied everything through a position. Rows before the lowest of all are dropped in time.
///
///     <node>storage-1</node> <position>17-00f1e2d3c4b5a697</position> <lease>28500</lease>
package struct FeedAcknowledge: RequestMessage {
    package typealias Reply = Done
    package static var type: RequestType { .feedAcknowledge }
    package let node: NodeName
    package let position: FeedPosition
    /// Milliseconds that the node's lease has left; 0 when it has none.
    package let lease: Int

    package init(node: NodeName, position: FeedPosition, lease: Int) {
        self.node = node
        self.position = position
        self.lease = lease
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["node", "position", "lease"])
        node = try fields.name("node")
        position = try fields.value("position") { FeedPosition($0) }
        lease = try fields.integer("lease", in: 0...86_400_000)
    }

    package var body: [Element] {
        [.field("node", node), .field("position", position), .field("lease", lease)]
    }
}

/// `feed.status`: the feed's newest row, and how far each host is.
package struct FeedStatus: RequestMessage {
    package static var type: RequestType { .feedStatus }

    /// A host that has asked since ffsauthd started.
    package struct Host: PageRow, Hashable {
        package let node: NodeName
        /// The last number that it has applied; 0 before it has said so.
        package let number: Int
        /// Rows that it has not applied yet.
        package let lag: Int
        /// Seconds since it last asked or acknowledged.
        package let silent: Int
        /// Seconds that its lease has left, as far as ffsauthd knows; 0 when it has lapsed.
        package let lease: Int

        package init(node: NodeName, number: Int, lag: Int, silent: Int, lease: Int) {
            self.node = node
            self.number = number
            self.lag = lag
            self.silent = silent
            self.lease = lease
        }

        package init(fields: Fields) throws(Failure) {
            node = try fields.name("node")
            number = try fields.integer("number", in: 0...Int.max)
            lag = try fields.integer("lag", in: 0...Int.max)
            silent = try fields.integer("silent", in: 0...Int.max)
            lease = try fields.integer("lease", in: 0...Int.max)
        }

        package var body: [Element] {
            [
                .field("node", node), .field("number", number), .field("lag", lag), .field("silent", silent),
                .field("lease", lease),
            ]
        }
    }

    package struct Reply: ReplyMessage {
        package let head: FeedPosition
        /// Rows that are kept.
        package let rows: Int
        package let hosts: [Host]

        package init(head: FeedPosition, rows: Int, hosts: [Host]) {
            self.head = head
            self.rows = rows
            self.hosts = hosts
        }

        package init(fields: Fields) throws(Failure) {
            try fields.allowOnly(["position", "rows", "row"])
            head = try fields.value("position") { FeedPosition($0) }
            rows = try fields.integer("rows", in: 0...Int.max)
            hosts = try fields.all("row").map { element throws(Failure) in
                try Host(fields: Fields(element.children, of: "row"))
            }
        }

        package var body: [Element] {
            [.field("position", head), .field("rows", rows)] + hosts.map { Element("row", children: $0.body) }
        }
    }

    package init() {}
    package init(fields: Fields) throws(Failure) { try fields.allowOnly([]) }
    package var body: [Element] { [] }
}

/// `order.check`: whether orders may still be served, for a host whose knowledge of them has lapsed or was reset.
///
///     <row><order>4711</order></row> …
package struct OrderCheck: RequestMessage {
    package static var type: RequestType { .orderCheck }
    /// 1 to 500.
    package let orders: [Int]

    package init(orders: [Int]) { self.orders = orders }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["row"])
        orders = try fields.all("row").map { element throws(Failure) in
            try Fields(element.children, of: "row").integer("order", in: 1...Int.max)
        }
        guard PageBudget.limits.contains(orders.count) else {
            throw Failure(
                .badRequest, "\(fields.context) asks for 1 to \(PageBudget.limits.upperBound) orders at once")
        }
    }

    package var body: [Element] { orders.map { Element("row", children: [.field("order", $0)]) } }

    /// What has become of one order.
    package struct Standing: PageRow, Hashable {
        package let order: Int
        /// Whether its customer may still have every item of it.
        package let stands: Bool
        /// What is to happen to transfers when it ends; of an order that does not stand, what it was placed with.
        package let policy: ExpiryPolicy
        /// When the earliest of its rights ends by itself; nil for none.
        package let until: Timestamp?

        package init(order: Int, stands: Bool, policy: ExpiryPolicy, until: Timestamp?) {
            self.order = order
            self.stands = stands
            self.policy = policy
            self.until = until
        }

        package init(fields: Fields) throws(Failure) {
            order = try fields.integer("order", in: 1...Int.max)
            stands = fields.flag("stands")
            policy = try fields.value("policy", ExpiryPolicy.init)
            until = try fields.optionalTimestamp("until")
        }

        package var body: [Element] {
            [.field("order", order)] + (stands ? [Element("stands")] : []) + [.field("policy", policy)]
                + (until.map { [.field("until", $0)] } ?? [])
        }
    }

    package struct Reply: ReplyMessage {
        /// Orders that there are, as asked for; one that the master database does not know is left out.
        package let standings: [Standing]
        /// The feed's position in the snapshot that this was read from (``StaleFills``).
        package let position: FeedPosition

        package init(standings: [Standing], position: FeedPosition) {
            self.standings = standings
            self.position = position
        }

        package init(fields: Fields) throws(Failure) {
            try fields.allowOnly(["row", "position"])
            standings = try fields.all("row").map { element throws(Failure) in
                try Standing(fields: Fields(element.children, of: "row"))
            }
            position = try fields.value("position") { FeedPosition($0) }
        }

        package var body: [Element] {
            standings.map { Element("row", children: $0.body) } + [.field("position", position)]
        }
    }
}
