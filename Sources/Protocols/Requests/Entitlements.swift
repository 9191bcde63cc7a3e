package import FFSModel
package import Tobj

/// What a customer was granted: the reply to `entitlement.grant`, a row of `entitlement.list`.
package struct EntitlementRecord: PageRow, ReplyMessage, Hashable {
    /// Unique for ever.
    package let id: Int
    package let customer: CustomerName
    package let product: ProductName
    /// Exactly this version; nil for all of them, those to come included.
    package let version: VersionName?
    package let from: Timestamp
    /// When it ends; nil for never.
    package let until: Timestamp?
    /// What happens to running downloads when an account made under it ends.
    package let policy: ExpiryPolicy
    /// How many orders may be made under it; nil for any number.
    package let orderLimit: Int?
    /// How many have been made.
    package let orders: Int
    /// When an operator took it back; nil while it stands.
    package let revoked: Timestamp?

    package init(
        id: Int, customer: CustomerName, product: ProductName, version: VersionName?, from: Timestamp,
        until: Timestamp?, policy: ExpiryPolicy, orderLimit: Int?, orders: Int, revoked: Timestamp?
    ) {
        self.id = id
        self.customer = customer
        self.product = product
        self.version = version
        self.from = from
        self.until = until
        self.policy = policy
        self.orderLimit = orderLimit
        self.orders = orders
        self.revoked = revoked
    }

    package init(fields: Fields) throws(Failure) {
        id = try fields.integer("entitlement", in: 1...Int.max)
        customer = try fields.name("customer")
        product = try fields.name("product")
        version = try fields.optionalName("version")
        from = try fields.timestamp("from")
        until = try fields.optionalTimestamp("until")
        policy = try fields.value("policy", ExpiryPolicy.init)
        orderLimit = try fields.optionalInteger("order-limit", in: 1...Int.max)
        orders = try fields.integer("orders", in: 0...Int.max)
        revoked = try fields.optionalTimestamp("revoked")
    }

    package var body: [Element] {
        var body: [Element] = [.field("entitlement", id), .field("customer", customer), .field("product", product)]
        if let version { body.append(.field("version", version)) }
        body.append(.field("from", from))
        if let until { body.append(.field("until", until)) }
        body.append(.field("policy", policy))
        if let orderLimit { body.append(.field("order-limit", orderLimit)) }
        body.append(.field("orders", orders))
        if let revoked { body.append(.field("revoked", revoked)) }
        return body
    }
}

/// `entitlement.grant`: the customer may have a version, or every version, of a product. Refused as `exists` when
/// the very same grant stands already.
///
///     <customer>acme</customer> <product>ignite-ux</product> <version>C.7.24</version>? <from>…</from>?
///     <until>…</until>? <policy>finish</policy>? <order-limit>3</order-limit>?
package struct EntitlementGrant: RequestMessage {
    package typealias Reply = EntitlementRecord
    package static var type: RequestType { .entitlementGrant }
    package let customer: CustomerName
    package let product: ProductName
    package let version: VersionName?
    /// nil for now.
    package let from: Timestamp?
    package let until: Timestamp?
    package let policy: ExpiryPolicy
    package let orderLimit: Int?

    package init(
        customer: CustomerName, product: ProductName, version: VersionName? = nil, from: Timestamp? = nil,
        until: Timestamp? = nil, policy: ExpiryPolicy = .finish, orderLimit: Int? = nil
    ) {
        self.customer = customer
        self.product = product
        self.version = version
        self.from = from
        self.until = until
        self.policy = policy
        self.orderLimit = orderLimit
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["customer", "product", "version", "from", "until", "policy", "order-limit"])
        customer = try fields.name("customer")
        product = try fields.name("product")
        version = try fields.optionalName("version")
        from = try fields.optionalTimestamp("from")
        until = try fields.optionalTimestamp("until")
        policy = fields.optional("policy") == nil ? .finish : try fields.value("policy", ExpiryPolicy.init)
        orderLimit = try fields.optionalInteger("order-limit", in: 1...1_000_000)
    }

    package var body: [Element] {
        var body: [Element] = [.field("customer", customer), .field("product", product)]
        if let version { body.append(.field("version", version)) }
        if let from { body.append(.field("from", from)) }
        if let until { body.append(.field("until", until)) }
        body.append(.field("policy", policy))
        if let orderLimit { body.append(.field("order-limit", orderLimit)) }
        return body
    }
}

/// `entitlement.revoke`: takes back one grant by number, or all of a customer's for a product (and version).
/// Accounts already made end as they were to end; `stage.revoke` ends one now.
///
///     <entitlement>17</entitlement>   or   <customer>acme</customer> <product>ignite-ux</product> <version>…</version>?
package struct EntitlementRevoke: RequestMessage {
    package enum Target: Sendable, Hashable {
        case id(Int)
        /// Grants of exactly this shape: without a version, those for all versions.
        case grant(CustomerName, ProductName, VersionName?)
    }

    package static var type: RequestType { .entitlementRevoke }
    package let target: Target

    package struct Reply: ReplyMessage {
        /// The numbers of those revoked now.
        package let revoked: [Int]

        package init(revoked: [Int]) { self.revoked = revoked }

        package init(fields: Fields) throws(Failure) {
            revoked = try fields.all("entitlement").map { element throws(Failure) in
                try Fields([element], of: fields.context).integer("entitlement", in: 1...Int.max)
            }
        }

        package var body: [Element] { revoked.map { .field("entitlement", $0) } }
    }

    package init(_ target: Target) { self.target = target }

    package init(fields: Fields) throws(Failure) {
        if fields.optional("entitlement") != nil {
            try fields.allowOnly(["entitlement"])
            target = .id(try fields.integer("entitlement", in: 1...Int.max))
        } else {
            try fields.allowOnly(["customer", "product", "version"])
            target = .grant(
                try fields.name("customer"), try fields.name("product"), try fields.optionalName("version"))
        }
    }

    package var body: [Element] {
        switch target {
        case .id(let id): [.field("entitlement", id)]
        case .grant(let customer, let product, let version):
            [.field("customer", customer), .field("product", product)]
                + (version.map { [.field("version", $0)] } ?? [])
        }
    }
}

/// `entitlement.list`: grants in order of number; those that stand, or with `<all/>` those ended and revoked too.
package struct EntitlementList: RequestMessage {
    package typealias Reply = Page<EntitlementRecord>
    package static var type: RequestType { .entitlementList }
    package let customer: CustomerName?
    package let product: ProductName?
    package let all: Bool
    package let after: Int
    package let limit: Int

    package init(
        customer: CustomerName? = nil, product: ProductName? = nil, all: Bool = false, after: Int = 0, limit: Int = 100
    ) {
        self.customer = customer
        self.product = product
        self.all = all
        self.after = after
        self.limit = limit
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["customer", "product", "all", "after", "limit"])
        customer = try fields.optionalName("customer")
        product = try fields.optionalName("product")
        all = fields.flag("all")
        after = try fields.optionalInteger("after", in: 0...Int.max) ?? 0
        limit = try fields.pageLimit()
    }

    package var body: [Element] {
        var body: [Element] = []
        if let customer { body.append(.field("customer", customer)) }
        if let product { body.append(.field("product", product)) }
        if all { body.append(Element("all")) }
        return body + [.field("after", after), .field("limit", limit)]
    }
}
