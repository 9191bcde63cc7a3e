package import ChangeFeed
package import FFSModel
package import Tobj

/// `auth.login`: may this customer sign in? The reply to every refusal is the same `login-refused`, after the same
/// time, whether the name is unknown, disabled, expired or the password wrong.
package struct AuthLogin: RequestMessage {
    package static var type: RequestType { .authLogin }
    package let customer: CustomerName
    /// UTF-8 bytes as typed, at most ``Fields/passwordBytes``.
    package let password: [UInt8]
    /// The customer's network address in text, for lock-out and log; the web front's own when unknown.
    package let source: String

    package struct Reply: ReplyMessage {
        package let customer: CustomerName
        /// How to greet them.
        package let displayName: String
        /// Which password, status and row this sign-in was with. Whoever keeps a session gives it with every further
        /// request, and is refused (`session-ended`) once it is no longer the customer's.
        package let generation: Int

        package init(customer: CustomerName, displayName: String, generation: Int) {
            self.customer = customer
            self.displayName = displayName
            self.generation = generation
        }

        package init(fields: Fields) throws(Failure) {
            customer = try fields.name("customer")
            displayName = try fields.text("display-name")
            generation = try fields.generation()
        }

        package var body: [Element] {
            [
                .field("customer", customer), .field("display-name", displayName),
                .field("generation", generation),
            ]
        }
    }

    package init(customer: CustomerName, password: [UInt8], source: String) {
        self.customer = customer
        self.password = password
        self.source = source
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["customer", "password", "source"])
        customer = try fields.name("customer")
        password = try fields.password("password")
        source = try fields.source()
    }

    package var body: [Element] {
        [.field("customer", customer), Element("password", text: password), .field("source", source)]
    }
}

/// `auth.session`: does the sign-in that gave this generation still stand? Refused as `session-ended` after a new
/// password, a change of status, deletion, and once the customer has expired.
package struct AuthSession: RequestMessage {
    package typealias Reply = Done
    package static var type: RequestType { .authSession }
    package let customer: CustomerName
    /// As `auth.login` or `auth.password` gave it.
    package let generation: Int

    package init(customer: CustomerName, generation: Int) {
        self.customer = customer
        self.generation = generation
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["customer", "generation"])
        customer = try fields.name("customer")
        generation = try fields.generation()
    }

    package var body: [Element] { [.field("customer", customer), .field("generation", generation)] }
}

/// `auth.password`: the customer changes their own password. Counts as a login attempt.
package struct AuthPassword: RequestMessage {
    package static var type: RequestType { .authPassword }
    package let customer: CustomerName
    package let password: [UInt8]
    package let newPassword: [UInt8]
    package let source: String

    package struct Reply: ReplyMessage {
        /// For the session in which the password was changed: all others end.
        package let generation: Int

        package init(generation: Int) { self.generation = generation }
        package init(fields: Fields) throws(Failure) { generation = try fields.generation() }
        package var body: [Element] { [.field("generation", generation)] }
    }

    package init(customer: CustomerName, password: [UInt8], newPassword: [UInt8], source: String) {
        self.customer = customer
        self.password = password
        self.newPassword = newPassword
        self.source = source
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["customer", "password", "new-password", "source"])
        customer = try fields.name("customer")
        password = try fields.password("password")
        newPassword = try fields.password("new-password")
        source = try fields.source()
    }

    package var body: [Element] {
        [
            .field("customer", customer), Element("password", text: password),
            Element("new-password", text: newPassword), .field("source", source),
        ]
    }
}

/// One thing a customer may have now.
package struct Entitlement: Sendable, Hashable {
    package let item: Item
    /// The product's title for people.
    package let title: String
    package let summary: String
    /// Bytes and files of the whole version.
    package let size: Int
    package let files: Int
    /// When the version was published.
    package let released: Timestamp
    /// When the entitlement ends; nil for never.
    package let until: Timestamp?
    package let policy: ExpiryPolicy
    /// Its order limit is used up by an order that can be resumed (``AuthEntitlements/resume``).
    package var isHeld: Bool

    package init(
        item: Item, title: String, summary: String, size: Int, files: Int, released: Timestamp, until: Timestamp?,
        policy: ExpiryPolicy, isHeld: Bool = false
    ) {
        self.item = item
        self.title = title
        self.summary = summary
        self.size = size
        self.files = files
        self.released = released
        self.until = until
        self.policy = policy
        self.isHeld = isHeld
    }

    package init(_ element: Element) throws(Failure) {
        item = try Item(element, of: "entitlement")
        let fields = Fields(element.children, of: "entitlement")
        title = try fields.text("title")
        summary = try fields.optionalText("summary") ?? ""
        size = try fields.integer("size", in: 0...Int.max)
        files = try fields.integer("files", in: 0...Int.max)
        released = try fields.timestamp("released")
        until = fields.optional("until") == nil ? nil : try fields.timestamp("until")
        policy = try fields.value("policy", ExpiryPolicy.init)
        isHeld = fields.flag("held")
    }

    package var element: Element {
        var children: [Element] = [
            .field("title", title), .field("summary", summary), .field("size", size, unit: "byte"),
            .field("files", files), .field("released", released), .field("policy", policy),
        ]
        if let until { children.append(.field("until", until)) }
        if isHeld { children.append(Element("held")) }
        return Element(
            "entitlement",
            [.init("product", item.product.text.utf8), .init("version", item.version.text.utf8)],
            children: children)
    }
}

/// `auth.entitlements`: what the customer may have now, by product, newest release first within each, a page at a
/// time. A customer who may not sign in may have nothing.
///
///     <customer>acme</customer> <generation>5</generation>? <after product="ignite-ux" version="C.7.24"/>?
///     <search>ignite</search>? <products>50</products>? <item product="…" version="…"/>* <holding>17</holding>? <resume/>?
///     <limit>100</limit>?
package struct AuthEntitlements: RequestMessage {
    package static var type: RequestType { .authEntitlements }
    package let customer: CustomerName
    /// The sign-in in whose session this is asked; nil for none.
    package let generation: Int?
    /// The last item of the page before.
    package let after: Item?
    /// Words, each of which must occur in the product's name, version, title or summary; case does not matter.
    package let search: String?
    /// Products on the page, at most. The reply then says how many there are on all pages.
    package let products: Int?
    /// These alone, at most ``AuthOrder/mostItems``, as far as the customer may have them; empty for all. Then there are
    /// no pages and no search.
    package let items: [Item]
    /// An order that does not count against its grants' order limits: who asks has an account for it, and wants to know
    /// whether that account is still what the customer may have.
    package let holding: Int?
    /// Whether to show, as held, what ``AuthOrder`` would give again by resuming the newest order of it.
    package let resume: Bool
    /// Entitlements on the page, at most.
    package let limit: Int

    package static let searchBytes = 1...200

    package struct Reply: ReplyMessage {
        package let entitlements: [Entitlement]
        /// Whether another page follows.
        package let more: Bool
        /// Products on all pages; nil when the request did not say how many belong on one.
        package let products: Int?

        package init(entitlements: [Entitlement], more: Bool = false, products: Int? = nil) {
            self.entitlements = entitlements
            self.more = more
            self.products = products
        }

        package init(fields: Fields) throws(Failure) {
            entitlements = try fields.all("entitlement").map { element throws(Failure) in try Entitlement(element) }
            more = fields.flag("more")
            products = try fields.optionalInteger("products", in: 0...Int.max)
        }

        package var body: [Element] {
            var body = entitlements.map(\.element)
            if let products { body.append(.field("products", products)) }
            return body + (more ? [Element("more")] : [])
        }
    }

    package init(
        customer: CustomerName, generation: Int? = nil, after: Item? = nil, search: String? = nil,
        products: Int? = nil, items: [Item] = [], holding: Int? = nil, resume: Bool = false,
        limit: Int = PageBudget.limits.upperBound
    ) {
        self.customer = customer
        self.generation = generation
        self.after = after
        self.search = search
        self.products = products
        self.items = items
        self.holding = holding
        self.resume = resume
        self.limit = limit
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly([
            "customer", "generation", "after", "search", "products", "item", "holding", "resume", "limit",
        ])
        customer = try fields.name("customer")
        generation = try fields.optionalGeneration()
        after = try fields.optionalItem("after")
        search = try fields.optionalLine("search", bytes: Self.searchBytes)
        products = try fields.optionalInteger("products", in: PageBudget.limits)
        items = fields.all("item").isEmpty ? [] : try fields.items()
        guard items.isEmpty || items.count <= AuthOrder.mostItems && after == nil && search == nil && products == nil
        else {
            throw Failure(
                .badRequest,
                "auth.entitlements asks for at most \(AuthOrder.mostItems) items, and then without pages and search")
        }
        holding = try fields.optionalInteger("holding", in: 1...Int.max)
        resume = fields.flag("resume")
        limit = try fields.pageLimit()
    }

    package var body: [Element] {
        var body: [Element] = [.field("customer", customer)] + items.map(\.element)
        if let generation { body.append(.field("generation", generation)) }
        if let after { body.append(after.element(named: "after")) }
        if let search { body.append(.field("search", search)) }
        if let products { body.append(.field("products", products)) }
        if let holding { body.append(.field("holding", holding)) }
        if resume { body.append(Element("resume")) }
        return body + [.field("limit", limit)]
    }
}

/// `auth.order`: authorises exactly these items at the moment of choice and records the order.
/// Refused as a whole (`not-entitled`) when one item is not allowed. The same id gets the same order, as long as its
/// items are still allowed; and where an order limit is used up, the newest order of just these items is resumed: a staging
/// that failed costs nothing, as an order has one account (``StagingClient``).
package struct AuthOrder: RequestMessage {
    package static var type: RequestType { .authOrder }
    package let customer: CustomerName
    /// The sign-in in whose session this is asked; nil for none.
    package let generation: Int?
    /// At most ``mostItems``, none twice.
    package let items: [Item]
    /// Seconds that the account is to live: not judged here, but part of what the id stands for.
    package let lifetime: Int?
    package let source: String

    package static let mostItems = 256

    package struct Reply: ReplyMessage {
        /// The order's number, unique for ever; give it to `stage.create`.
        package let order: Int
        /// The strictest policy among the items: cut, then the shortest grace, then finish.
        package let policy: ExpiryPolicy
        /// The earliest end among the entitlements; no account may outlive it. nil for never.
        package let until: Timestamp?
        /// The change feed's position in the snapshot in which this was allowed; nil from an older ffsauthd.
        package let position: FeedPosition?
        /// For `stage.create`: what exactly was ordered, an `<item>` for each.
        package let terms: AccountTerms

        package init(
            order: Int, policy: ExpiryPolicy, until: Timestamp?, position: FeedPosition? = nil,
            terms: AccountTerms = AccountTerms()
        ) {
            self.position = position
            self.terms = terms
            self.order = order
            self.policy = policy
            self.until = until
        }

        package init(fields: Fields) throws(Failure) {
            order = try fields.integer("order", in: 1...Int.max)
            policy = try fields.value("policy", ExpiryPolicy.init)
            until = fields.optional("until") == nil ? nil : try fields.timestamp("until")
            position = fields.optional("feed") == nil ? nil : try fields.value("feed") { FeedPosition($0) }
            terms = try AccountTerms(fields: fields)
        }

        package var body: [Element] {
            var body: [Element] = [.field("order", order), .field("policy", policy)]
            if let until { body.append(.field("until", until)) }
            if let position { body.append(.field("feed", position)) }
            let items = terms.manifests.sorted { $0.key.folder < $1.key.folder }
            return body + items.map { $0.key.element(manifest: $0.value) } + terms.body
        }
    }

    package init(
        customer: CustomerName, generation: Int? = nil, items: [Item], lifetime: Int? = nil, source: String
    ) {
        self.customer = customer
        self.generation = generation
        self.items = items
        self.lifetime = lifetime
        self.source = source
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["customer", "generation", "item", "ttl", "source"])
        customer = try fields.name("customer")
        generation = try fields.optionalGeneration()
        items = try fields.items()
        guard items.count <= Self.mostItems, Set(items).count == items.count else {
            throw Failure(.badRequest, "an order has at most \(Self.mostItems) items, each named once")
        }
        lifetime = try fields.optionalInteger("ttl", in: 1...31_536_000)
        source = try fields.source()
    }

    package var body: [Element] {
        var body: [Element] = [.field("customer", customer)]
        if let generation { body.append(.field("generation", generation)) }
        body += items.map(\.element)
        if let lifetime { body.append(.field("ttl", lifetime, unit: "s")) }
        return body + [.field("source", source)]
    }
}

extension Fields {
    func generation() throws(Failure) -> Int { try integer("generation", in: 0...Int.max) }

    func optionalGeneration() throws(Failure) -> Int? { optional("generation") == nil ? nil : try generation() }

    /// Bytes in a password: what crypt(3) takes.
    package static let passwordBytes = 511

    func password(_ name: String) throws(Failure) -> [UInt8] {
        let password = try bytes(name)
        guard password.count <= Self.passwordBytes else {
            throw Failure(.badRequest, "a password has at most \(Self.passwordBytes) bytes")
        }
        return password
    }

    func optionalPassword(_ name: String) throws(Failure) -> [UInt8]? {
        optional(name) == nil ? nil : try password(name)
    }

    /// A network address in text, for lock-out and log; `-` when the caller does not know.
    func source() throws(Failure) -> String { try optionalLine("source", bytes: 1...128) ?? "-" }
}
