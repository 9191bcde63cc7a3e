package import FFSModel
package import Tobj

/// A row of `dead.list`: what could not become an entry of the log.
package struct DeadLetterRow: PageRow, Hashable {
    package let id: Int
    package let node: NodeName
    package let stream: String
    package let segment: ID128
    package let offset: Int
    package let reason: String
    package let at: Timestamp
    package let record: [UInt8]

    package init(
        id: Int, node: NodeName, stream: String, segment: ID128, offset: Int, reason: String, at: Timestamp,
        record: [UInt8]
    ) {
        self.id = id
        self.node = node
        self.stream = stream
        self.segment = segment
        self.offset = offset
        self.reason = reason
        self.at = at
        self.record = record
    }

    package init(fields: Fields) throws(Failure) {
        id = try fields.integer("id", in: 0...Int.max)
        node = try fields.name("node")
        stream = try fields.text("stream")
        segment = try fields.value("segment") { ID128($0) }
        offset = try fields.integer("offset", in: 0...Int.max)
        reason = try fields.text("reason")
        at = try fields.timestamp("at")
        record = try fields.bytes("record")
    }

    package var body: [Element] {
        [
            .field("id", id), .field("node", node), .field("stream", stream), .field("segment", segment),
            .field("offset", offset), .field("reason", reason), .field("at", at), Element("record", text: record),
        ]
    }
}

/// `dead.list`: dead letters in the order of their ids.
package struct DeadLetterList: RequestMessage {
    package typealias Reply = Page<DeadLetterRow>
    package static var type: RequestType { .deadList }
    package let after: Int
    package let limit: Int

    package init(after: Int = 0, limit: Int = 100) {
        self.after = after
        self.limit = limit
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["after", "limit"])
        after = fields.optional("after") == nil ? 0 : try fields.integer("after", in: 0...Int.max)
        limit = try fields.pageLimit()
    }

    package var body: [Element] { [.field("after", after), .field("limit", limit)] }
}

/// `dead.retry`: tries again to make an entry of a dead letter, as after an update.
package struct DeadLetterRetry: RequestMessage {
    package typealias Reply = Done
    package static var type: RequestType { .deadRetry }
    package let id: Int

    package init(id: Int) { self.id = id }
    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["id"])
        id = try fields.integer("id", in: 0...Int.max)
    }
    package var body: [Element] { [.field("id", id)] }
}

/// `dead.drop`: forgets a dead letter.
package struct DeadLetterDrop: RequestMessage {
    package typealias Reply = Done
    package static var type: RequestType { .deadDrop }
    package let id: Int

    package init(id: Int) { self.id = id }
    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["id"])
        id = try fields.integer("id", in: 0...Int.max)
    }
    package var body: [Element] { [.field("id", id)] }
}
