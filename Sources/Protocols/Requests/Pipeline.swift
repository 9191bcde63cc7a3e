package import FFSModel
package import Tobj

/// `pipe.push`: consecutive events of one producer, on their way to the log. The relay passes it on and does not look inside.
///
///     <node>storage-1</node> <nonce>7f3a…</nonce> <batch enc="base64">…</batch> <mac>9c56…</mac>
///
/// `batch` is deflated (zlib); `mac` is the node's seal of it, ffs-pipeline(7).
package struct PipePush: RequestMessage {
    package static var type: RequestType { .pipePush }
    package let node: NodeName
    package let nonce: ID128
    package let batch: [UInt8]
    package let mac: [UInt8]

    /// Bytes of a deflated batch.
    package static let longest = 600_000

    package init(node: NodeName, nonce: ID128, batch: [UInt8], mac: [UInt8]) {
        self.node = node
        self.nonce = nonce
        self.batch = batch
        self.mac = mac
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["node", "nonce", "batch", "mac"])
        node = try fields.name("node")
        nonce = try fields.value("nonce") { ID128($0) }
        batch = try fields.bytes("batch")
        mac = try fields.value("mac") { Hex.decode(Array($0.utf8)) }
        guard batch.count <= Self.longest, mac.count == 32 else {
            throw Failure(.badRequest, "\(fields.context): <batch> is too long, or <mac> has not 32 bytes")
        }
    }

    package var body: [Element] {
        [
            .field("node", node), .field("nonce", nonce), Element("batch", text: batch),
            .field("mac", Hex.string(mac)),
        ]
    }

    /// Everything before `offset` is committed, and `hash` is the running hash there; `log` is the log's name now.
    package struct Reply: ReplyMessage, Hashable {
        package let offset: Int
        package let hash: [UInt8]
        package let log: String
        package let mac: [UInt8]

        package init(offset: Int, hash: [UInt8], log: String, mac: [UInt8]) {
            self.offset = offset
            self.hash = hash
            self.log = log
            self.mac = mac
        }

        package init(fields: Fields) throws(Failure) {
            try fields.allowOnly(["offset", "hash", "log", "mac"])
            offset = try fields.integer("offset", in: 0...Int.max)
            hash = try fields.value("hash") { Hex.decode(Array($0.utf8)) }
            log = try fields.text("log")
            mac = try fields.value("mac") { Hex.decode(Array($0.utf8)) }
        }

        package var body: [Element] {
            [
                .field("offset", offset), .field("hash", Hex.string(hash)), .field("log", log),
                .field("mac", Hex.string(mac)),
            ]
        }
    }
}

/// `pipe.status`: how the journals of this host stand.
package struct PipeStatus: RequestMessage {
    package static var type: RequestType { .pipeStatus }

    package init() {}
    package init(fields: Fields) throws(Failure) { try fields.allowOnly([]) }
    package var body: [Element] { [] }

    /// One journal.
    package struct Stream: PageRow, Hashable {
        package let stream: String
        /// Segments that are not wholly in the log yet.
        package let segments: Int
        /// Bytes of them that are not.
        package let pending: Int
        /// Segments with something unreadable in them, which stay.
        package let damaged: Int
        /// When something of it was last acknowledged.
        package let acknowledged: Timestamp?
        /// Why it does not go on; nil while it does.
        package let failure: String?

        package init(
            stream: String, segments: Int, pending: Int, damaged: Int, acknowledged: Timestamp?, failure: String?
        ) {
            self.stream = stream
            self.segments = segments
            self.pending = pending
            self.damaged = damaged
            self.acknowledged = acknowledged
            self.failure = failure
        }

        package init(fields: Fields) throws(Failure) {
            stream = try fields.text("stream")
            segments = try fields.integer("segments", in: 0...Int.max)
            pending = try fields.integer("pending", in: 0...Int.max)
            damaged = try fields.integer("damaged", in: 0...Int.max)
            acknowledged = fields.optional("acknowledged") == nil ? nil : try fields.timestamp("acknowledged")
            failure = try fields.optionalText("failure")
        }

        package var body: [Element] {
            [
                .field("stream", stream), .field("segments", segments), .field("pending", pending, unit: "byte"),
                .field("damaged", damaged),
            ] + (acknowledged.map { [.field("acknowledged", $0)] } ?? [])
                + (failure.map { [.field("failure", $0)] } ?? [])
        }
    }

    package struct Reply: ReplyMessage {
        package let node: NodeName
        /// Whether the log is on this host.
        package let isObject: Bool
        package let streams: [Stream]

        package init(node: NodeName, isObject: Bool, streams: [Stream]) {
            self.node = node
            self.isObject = isObject
            self.streams = streams
        }

        package init(fields: Fields) throws(Failure) {
            try fields.allowOnly(["node", "object", "row"])
            node = try fields.name("node")
            isObject = fields.optional("object") != nil
            streams = try fields.all("row").map { element throws(Failure) in
                try Stream(fields: Fields(element.children, of: "row"))
            }
        }

        package var body: [Element] {
            [.field("node", node)] + (isObject ? [Element("object")] : [])
                + streams.map { Element("row", children: $0.body) }
        }
    }
}
