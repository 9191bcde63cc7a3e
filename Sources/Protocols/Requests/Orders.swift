package import FFSModel
package import Tobj

/// What was authorised, when and to whom; a row of `order.list`. Never changed after it was written.
package struct OrderRecord: PageRow, Hashable {
    package let order: Int
    package let customer: CustomerName
    package let items: [Item]
    package let placed: Timestamp
    /// The customer's network address as the web front saw it, `-` when unknown.
    package let source: String
    package let policy: ExpiryPolicy
    /// No account made for it may outlive this; nil for no such bound.
    package let until: Timestamp?
    package let trace: TraceID

    package init(
        order: Int, customer: CustomerName, items: [Item], placed: Timestamp, source: String, policy: ExpiryPolicy,
        until: Timestamp?, trace: TraceID
    ) {
        self.order = order
        self.customer = customer
        self.items = items
        self.placed = placed
        self.source = source
        self.policy = policy
        self.until = until
        self.trace = trace
    }

    package init(fields: Fields) throws(Failure) {
        order = try fields.integer("order", in: 1...Int.max)
        customer = try fields.name("customer")
        items = try fields.items()
        placed = try fields.timestamp("placed")
        source = try fields.text("source")
        policy = try fields.value("policy", ExpiryPolicy.init)
        until = try fields.optionalTimestamp("until")
        trace = try fields.value("trace") { TraceID($0) }
    }

    package var body: [Element] {
        var body: [Element] = [.field("order", order), .field("customer", customer)]
        body += items.map(\.element)
        body += [.field("placed", placed), .field("source", source), .field("policy", policy)]
        if let until { body.append(.field("until", until)) }
        return body + [.field("trace", trace)]
    }
}

/// `order.list`: orders, newest first, of one customer or of all.
package struct OrderList: RequestMessage {
    package typealias Reply = Page<OrderRecord>
    package static var type: RequestType { .orderList }
    package let customer: CustomerName?
    /// List orders older than this number; nil from the newest.
    package let after: Int?
    package let limit: Int

    package init(customer: CustomerName? = nil, after: Int? = nil, limit: Int = 100) {
        self.customer = customer
        self.after = after
        self.limit = limit
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["customer", "after", "limit"])
        customer = try fields.optionalName("customer")
        after = try fields.optionalInteger("after", in: 1...Int.max)
        limit = try fields.pageLimit()
    }

    package var body: [Element] {
        var body: [Element] = []
        if let customer { body.append(.field("customer", customer)) }
        if let after { body.append(.field("after", after)) }
        return body + [.field("limit", limit)]
    }
}
