package import FFSModel
package import Tobj

/// A row of `ledger.list`: a charge.
package struct ChargeRow: PageRow, Hashable {
    package let id: Int
    /// `service`, to the operator, or `content`, to the owner of the product.
    package let ledger: String
    package let order: UInt64
    package let product: String
    package let version: String
    /// The customer's number in the log.
    package let customer: UInt64?
    package let retailer: String?
    /// In hundredths of the operator's currency.
    package let amount: Int
    /// The entry of the log that made it due.
    package let leaf: UInt64
    package let at: Timestamp

    package init(
        id: Int, ledger: String, order: UInt64, product: String, version: String, customer: UInt64?, retailer: String?,
        amount: Int, leaf: UInt64, at: Timestamp
    ) {
        self.id = id
        self.ledger = ledger
        self.order = order
        self.product = product
        self.version = version
        self.customer = customer
        self.retailer = retailer
        self.amount = amount
        self.leaf = leaf
        self.at = at
    }

    package init(fields: Fields) throws(Failure) {
        id = try fields.integer("id", in: 1...Int.max)
        ledger = try fields.text("ledger")
        order = try fields.number("order")
        product = try fields.text("product")
        version = try fields.text("version")
        customer = try fields.optionalNumber("customer")
        retailer = try fields.optionalText("retailer")
        amount = try fields.integer("amount", in: 0...Int.max)
        leaf = try fields.number("leaf")
        at = try fields.timestamp("at")
    }

    package var body: [Element] {
        var body: [Element] = [
            .field("id", id), .field("ledger", ledger), .field("order", order), .field("product", product),
            .field("version", version),
        ]
        if let customer { body.append(.field("customer", customer)) }
        if let retailer { body.append(.field("retailer", retailer)) }
        return body + [.field("amount", amount), .field("leaf", leaf), .field("at", at)]
    }
}

/// `ledger.list`: charges in the order in which they became due.
package struct LedgerList: RequestMessage {
    package typealias Reply = Page<ChargeRow>
    package static var type: RequestType { .ledgerList }
    package let ledger: String?
    package let product: ProductName?
    package let order: UInt64?
    /// Charges behind this one.
    package let after: Int?
    package let limit: Int

    package init(
        ledger: String? = nil, product: ProductName? = nil, order: UInt64? = nil, after: Int? = nil, limit: Int = 100
    ) {
        self.ledger = ledger
        self.product = product
        self.order = order
        self.after = after
        self.limit = limit
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["ledger", "product", "order", "after", "limit"])
        ledger = try fields.optionalValue("ledger") { ["service", "content"].contains($0) ? $0 : nil }
        product = try fields.optionalName("product")
        order = try fields.optionalNumber("order")
        after = try fields.optionalInteger("after", in: 1...Int.max)
        limit = try fields.pageLimit()
    }

    package var body: [Element] {
        var body: [Element] = []
        if let ledger { body.append(.field("ledger", ledger)) }
        if let product { body.append(.field("product", product)) }
        if let order { body.append(.field("order", order)) }
        if let after { body.append(.field("after", after)) }
        return body + [.field("limit", limit)]
    }
}

/// `ledger.reconcile`: what is wrong with the ledgers, for some orders; to be asked again with the last one until there is none.
package struct LedgerReconcile: RequestMessage {
    package static var type: RequestType { .ledgerReconcile }
    package let after: UInt64

    package struct Finding: Sendable, Hashable {
        package let order: UInt64
        package let product: String
        package let version: String
        package let text: String

        package init(order: UInt64, product: String, version: String, text: String) {
            self.order = order
            self.product = product
            self.version = version
            self.text = text
        }
    }

    package struct Reply: ReplyMessage, Hashable {
        package let findings: [Finding]
        /// Where to go on; nil at the end.
        package let last: UInt64?

        package init(findings: [Finding], last: UInt64?) {
            self.findings = findings
            self.last = last
        }

        package init(fields: Fields) throws(Failure) {
            findings = try fields.all("row").map { row throws(Failure) in
                let fields = Fields(row.children, of: "row")
                return Finding(
                    order: try fields.number("order"), product: try fields.text("product"),
                    version: try fields.text("version"), text: try fields.text("finding"))
            }
            last = try fields.optionalNumber("last")
        }

        package var body: [Element] {
            let rows = findings.map {
                Element(
                    "row",
                    children: [
                        .field("order", $0.order), .field("product", $0.product), .field("version", $0.version),
                        .field("finding", $0.text),
                    ])
            }
            return rows + (last.map { [.field("last", $0)] } ?? [])
        }
    }

    package init(after: UInt64 = 0) { self.after = after }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["after"])
        after = try fields.optionalNumber("after") ?? 0
    }

    package var body: [Element] { [.field("after", after)] }
}
