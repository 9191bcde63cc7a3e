package import FFSModel
package import Tobj

/// `outbox.next`: ffsauthd's events that are not yet with the pipeline, in the order of their transactions. With nothing there
/// the reply waits until there is, at most `wait` milliseconds.
package struct OutboxNext: RequestMessage {
    package static var type: RequestType { .outboxNext }
    /// The last number that the asker has, of ``incarnation``; 0 for none.
    package let after: Int
    /// The one that the asker knows; nil for none. When it is another now, the events come from the first on.
    package let incarnation: ID128?
    /// The id of the event with the number `after`: where the database was restored from a backup it is another, or none, and
    /// the outbox begins a new incarnation.
    package let last: ID128?
    /// Milliseconds.
    package let wait: Int
    package let limit: Int

    package init(after: Int, incarnation: ID128? = nil, last: ID128? = nil, wait: Int, limit: Int = 500) {
        self.incarnation = incarnation
        self.last = last
        self.after = after
        self.wait = wait
        self.limit = limit
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["after", "incarnation", "last", "wait", "limit"])
        after = try fields.integer("after", in: 0...Int.max)
        incarnation = fields.optional("incarnation") == nil ? nil : try fields.value("incarnation") { ID128($0) }
        last = fields.optional("last") == nil ? nil : try fields.value("last") { ID128($0) }
        wait = try fields.integer("wait", in: FeedNext.waits)
        limit = try fields.pageLimit()
    }

    package var body: [Element] {
        [.field("after", after)] + (incarnation.map { [.field("incarnation", $0)] } ?? [])
            + (last.map { [.field("last", $0)] } ?? []) + [.field("wait", wait), .field("limit", limit)]
    }

    /// One event: its number, without gaps within an incarnation, and its record (``Events``).
    package struct Row: PageRow, Hashable {
        package let number: Int
        package let record: [UInt8]

        package init(number: Int, record: [UInt8]) {
            self.number = number
            self.record = record
        }

        package init(fields: Fields) throws(Failure) {
            number = try fields.integer("number", in: 1...Int.max)
            record = try fields.bytes("record")
        }

        package var body: [Element] { [.field("number", number), Element("record", text: record)] }
    }

    package struct Reply: ReplyMessage {
        /// Made with the outbox; another one where the database is another, or was restored from a backup.
        package let incarnation: ID128
        package let rows: [Row]

        package init(incarnation: ID128, rows: [Row]) {
            self.incarnation = incarnation
            self.rows = rows
        }

        package init(fields: Fields) throws(Failure) {
            try fields.allowOnly(["incarnation", "row"])
            incarnation = try fields.value("incarnation") { ID128($0) }
            rows = try fields.all("row").map { element throws(Failure) in
                try Row(fields: Fields(element.children, of: "row"))
            }
        }

        package var body: [Element] {
            [.field("incarnation", incarnation)] + rows.map { Element("row", children: $0.body) }
        }
    }
}

/// `outbox.acknowledge`: events through a number are in the log database, and may be dropped here.
package struct OutboxAcknowledge: RequestMessage {
    package typealias Reply = Done
    package static var type: RequestType { .outboxAcknowledge }
    package let incarnation: ID128
    package let through: Int

    package init(incarnation: ID128, through: Int) {
        self.incarnation = incarnation
        self.through = through
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["incarnation", "through"])
        incarnation = try fields.value("incarnation") { ID128($0) }
        through = try fields.integer("through", in: 1...Int.max)
    }

    package var body: [Element] { [.field("incarnation", incarnation), .field("through", through)] }
}
