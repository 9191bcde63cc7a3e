package import FFSModel
package import Tobj
package import Transparency

/// A row of `log.list`: an entry of the log, all of it that is kept.
package struct LogRow: PageRow, Hashable {
    package let leaf: LogLeaf

    package init(_ leaf: LogLeaf) { self.leaf = leaf }

    package init(fields: Fields) throws(Failure) {
        let body = try fields.optionalBase64("record").map { record throws(Failure) in
            LogLeaf.Body(salt: try fields.base64("salt"), record: record)
        }
        let person = try fields.optionalBase64("person").map { part throws(Failure) in
            LogLeaf.Person(salt: try fields.base64("person-salt"), part: PersonalPart(bytes: part))
        }
        leaf = LogLeaf(
            leaf: try fields.number("leaf"), columns: try LogColumns(fields: fields),
            commitment: try fields.value("commitment") { TreeHash($0) }, body: body, person: person)
    }

    package var body: [Element] {
        var body: [Element] = [.field("leaf", leaf.leaf)] + leaf.columns.elements
        body.append(.field("commitment", leaf.commitment))
        if let kept = leaf.body { body += [.base64("salt", kept.salt), .base64("record", kept.record)] }
        if let person = leaf.person {
            body += [.base64("person-salt", person.salt), .base64("person", person.part.bytes)]
        }
        return body
    }
}

extension LogColumns {
    fileprivate init(fields: Fields) throws(Failure) {
        self.init(
            node: try fields.name("node"), incarnation: try fields.value("incarnation") { ID128($0) },
            segment: try fields.value("segment") { ID128($0) }, offset: try fields.number("number"),
            type: try fields.text("type"), event: try fields.value("event") { ID128($0) },
            time: try fields.value("time") { Int64($0) }, arrived: try fields.value("arrived") { Int64($0) },
            trace: try fields.optionalValue("trace") { TraceID($0) }, customer: try fields.optionalNumber("customer"),
            retailer: try fields.optionalText("retailer"), product: try fields.optionalText("product"),
            version: try fields.optionalText("version"),
            content: try fields.optionalValue("content") { ContentDigest($0) }, host: try fields.text("host"),
            account: try fields.optionalText("account"), order: try fields.optionalNumber("order"),
            path: try fields.optionalBase64("path"), from: try fields.optionalNumber("from"),
            to: try fields.optionalNumber("to"), size: try fields.optionalNumber("size"),
            outcome: try fields.optionalText("outcome"))
    }

    fileprivate var elements: [Element] {
        var body: [Element] = [
            .field("node", node), .field("incarnation", incarnation), .field("segment", segment),
            .field("number", offset), .field("type", type), .field("event", event), .field("time", time),
            .field("arrived", arrived),
        ]
        func add(_ name: String, _ value: (some CustomStringConvertible)?) {
            if let value { body.append(.field(name, value)) }
        }
        add("trace", trace)
        add("customer", customer)
        add("retailer", retailer)
        add("product", product)
        add("version", version)
        add("content", content)
        add("host", host)
        add("account", account)
        add("order", order)
        if let path { body.append(.base64("path", path)) }
        add("from", from)
        add("to", to)
        add("size", size)
        add("outcome", outcome)
        return body
    }
}

/// `log.list`: entries of the log in their order, or newest first; fields that are not given do not matter.
package struct LogList: RequestMessage {
    package typealias Reply = Page<LogRow>
    package static var type: RequestType { .logList }
    package var customer: CustomerName?
    package var retailer: String?
    package var product: ProductName?
    package var version: VersionName?
    package var content: ContentDigest?
    package var host: NodeName?
    package var trace: TraceID?
    package var event: ID128?
    package var order: UInt64?
    /// An event's type.
    package var kind: String?
    /// By the events' own times, the second one excluded.
    package var since: Timestamp?
    package var until: Timestamp?
    /// Entries behind this one, or with `newest` before it.
    package var after: UInt64?
    package var newest = false
    package var limit = 100

    package init() {}

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly([
            "customer", "retailer", "product", "version", "content", "host", "trace", "event", "order", "kind", "since",
            "until", "after", "newest", "limit",
        ])
        customer = try fields.optionalName("customer")
        retailer = try fields.optionalText("retailer")
        product = try fields.optionalName("product")
        version = try fields.optionalName("version")
        content = try fields.optionalValue("content") { ContentDigest($0) }
        host = try fields.optionalName("host")
        trace = try fields.optionalValue("trace") { TraceID($0) }
        event = try fields.optionalValue("event") { ID128($0) }
        order = try fields.optionalNumber("order")
        kind = try fields.optionalText("kind")
        since = try fields.optionalTimestamp("since")
        until = try fields.optionalTimestamp("until")
        after = try fields.optionalNumber("after")
        newest = fields.flag("newest")
        limit = try fields.pageLimit()
    }

    package var body: [Element] {
        var body: [Element] = []
        func add(_ name: String, _ value: (some CustomStringConvertible)?) {
            if let value { body.append(.field(name, value)) }
        }
        add("customer", customer)
        add("retailer", retailer)
        add("product", product)
        add("version", version)
        add("content", content)
        add("host", host)
        add("trace", trace)
        add("event", event)
        add("order", order)
        add("kind", kind)
        add("since", since)
        add("until", until)
        add("after", after)
        if newest { body.append(Element("newest")) }
        return body + [.field("limit", limit)]
    }
}

extension Fields {
    func number(_ name: String) throws(Failure) -> UInt64 { UInt64(try integer(name, in: 0...Int.max)) }

    func optionalNumber(_ name: String) throws(Failure) -> UInt64? {
        optional(name) == nil ? nil : try number(name)
    }

    func optionalValue<Value>(_ name: String, _ make: (String) -> Value?) throws(Failure) -> Value? {
        optional(name) == nil ? nil : try value(name, make)
    }

    func base64(_ name: String) throws(Failure) -> [UInt8] {
        guard let bytes = Base64.decode(try bytes(name)) else {
            throw Failure(.badRequest, "\(context): <\(name)> is not base64")
        }
        return bytes
    }

    func optionalBase64(_ name: String) throws(Failure) -> [UInt8]? {
        optional(name) == nil ? nil : try base64(name)
    }
}

extension Element {
    /// Bytes as base64.
    static func base64(_ name: String, _ bytes: [UInt8]) -> Element { Element(name, text: Base64.encode(bytes)) }
}
