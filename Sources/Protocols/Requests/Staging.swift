package import ChangeFeed
package import FFSModel
package import Tobj

/// `stage.create`: builds and publishes an account. The same request id always gives the same account.
///
///     <customer>acme</customer> <item product="ignite-ux" version="C.7.24" manifest="…"?/>+ <ttl unit="s">86400</ttl>
///     <policy>finish</policy>? <order>17</order>? <feed>17-00f1e2d3c4b5a697</feed>? and the rest of ``AccountTerms``
package struct StageCreate: RequestMessage {
    package typealias Reply = StagedAccount
    package static var type: RequestType { .stageCreate }
    package let customer: CustomerName
    package let items: [Item]
    /// Seconds the account lives, 1 to 31,536,000; ffsstaged's own bounds may be narrower.
    package let lifetime: Int
    package let policy: ExpiryPolicy
    /// The order it fulfils; 0 when there is none.
    package let order: Int
    /// Of the order. An item with a manifest is staged from that content, or not at all.
    package let terms: AccountTerms
    /// The change feed's position in the snapshot in which the order was allowed: a host that has applied nothing behind it need
    /// not ask whether that still holds.
    package let position: FeedPosition?

    package init(
        customer: CustomerName, items: [Item], lifetime: Int, policy: ExpiryPolicy = .finish, order: Int = 0,
        terms: AccountTerms = AccountTerms(), position: FeedPosition? = nil
    ) {
        self.customer = customer
        self.items = items
        self.lifetime = lifetime
        self.policy = policy
        self.order = order
        self.terms = terms
        self.position = position
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(
            AccountTerms.fields.union(["customer", "item", "ttl", "policy", "order", "feed"]), manifests: true)
        customer = try fields.name("customer")
        items = try fields.items()
        lifetime = try fields.integer("ttl", in: 1...31_536_000)
        policy = fields.optional("policy") == nil ? .finish : try fields.value("policy", ExpiryPolicy.init)
        order = fields.optional("order") == nil ? 0 : try fields.integer("order", in: 0...Int.max)
        terms = try AccountTerms(fields: fields)
        position = fields.optional("feed") == nil ? nil : try fields.value("feed") { FeedPosition($0) }
    }

    package var body: [Element] {
        var body: [Element] = [.field("customer", customer)]
        body += items.map { $0.element(manifest: terms.manifests[$0]) }
        body.append(.field("ttl", lifetime, unit: "s"))
        body.append(.field("policy", policy))
        if order > 0 { body.append(.field("order", order)) }
        if let position { body.append(.field("feed", position)) }
        return body + terms.body
    }
}

/// One file of an account as the customer sees it.
package struct StagedFile: Sendable, Hashable {
    /// Below the account's root.
    package let path: RelativePath
    package let size: Int
    package let digest: ContentDigest

    package init(path: RelativePath, size: Int, digest: ContentDigest) {
        self.path = path
        self.size = size
        self.digest = digest
    }

    init(_ element: Element) throws(Failure) {
        let fields = Fields(element.children, of: "file")
        do { path = try RelativePath(bytes: try fields.bytes("path")) } catch let error as NameError {
            throw Failure(.badRequest, "file: <path>: \(error)")
        } catch { throw Failure(.badRequest, "file: <path> is missing") }
        size = try fields.integer("size", in: 0...Int.max)
        digest = try fields.value("sha256") { ContentDigest($0) }
    }

    var element: Element {
        Element(
            "file",
            children: [
                Element("path", text: path.bytes), .field("size", size, unit: "byte"), .field("sha256", digest),
            ])
    }
}

/// The reply to `stage.create`, and with no password to `stage.extend` and `stage.status`.
package struct StagedAccount: ReplyMessage {
    /// The account's id, which is its login.
    package let account: AccountID
    /// The one-time password: given to the creator alone, never stored.
    package let password: String?
    package let customer: CustomerName
    package let items: [Item]
    package let created: Timestamp
    package let expires: Timestamp
    package let policy: ExpiryPolicy
    package let order: Int
    /// Totals over all items.
    package let fileCount: Int
    package let bytes: Int
    /// The first ``listedFiles`` files in path order, all of them when there are no more.
    package let files: [StagedFile]
    /// Opens the account's files over HTTPS without the password, for a while: `?link=…` behind their addresses
    /// (docs/formats.md). A secret like the password.
    package let link: String?
    /// The download server's certificate in PEM when it is self-signed, so that tools must be told to trust it.
    package let certificate: String?

    /// How many `<file>` elements a reply carries at most.
    package static let listedFiles = 500

    package init(
        account: AccountID, password: String?, customer: CustomerName, items: [Item], created: Timestamp,
        expires: Timestamp, policy: ExpiryPolicy, order: Int, fileCount: Int, bytes: Int, files: [StagedFile],
        link: String? = nil, certificate: String? = nil
    ) {
        self.account = account
        self.password = password
        self.customer = customer
        self.items = items
        self.created = created
        self.expires = expires
        self.policy = policy
        self.order = order
        self.fileCount = fileCount
        self.bytes = bytes
        self.files = files
        self.link = link
        self.certificate = certificate
    }

    package init(fields: Fields) throws(Failure) {
        account = try fields.name("account")
        password = try fields.optionalText("password")
        customer = try fields.name("customer")
        items = try fields.items()
        created = try fields.timestamp("created")
        expires = try fields.timestamp("expires")
        policy = try fields.value("policy", ExpiryPolicy.init)
        order = fields.optional("order") == nil ? 0 : try fields.integer("order", in: 0...Int.max)
        fileCount = try fields.integer("files", in: 0...Int.max)
        bytes = try fields.integer("size", in: 0...Int.max)
        files = try fields.all("file").map { element throws(Failure) in try StagedFile(element) }
        link = try fields.optionalText("link")
        certificate = try fields.optionalText("certificate")
    }

    package var body: [Element] {
        var body: [Element] = [.field("account", account)]
        if let password { body.append(.field("password", password)) }
        body.append(.field("customer", customer))
        body += items.map(\.element)
        body += [
            .field("created", created), .field("expires", expires), .field("policy", policy),
            .field("order", order), .field("files", fileCount), .field("size", bytes, unit: "byte"),
        ]
        if let link { body.append(.field("link", link)) }
        if let certificate { body.append(.field("certificate", certificate)) }
        return body + files.map(\.element)
    }
}

/// `stage.extend`: moves an account's expiry to `lifetime` seconds from now.
package struct StageExtend: RequestMessage {
    package typealias Reply = StagedAccount
    package static var type: RequestType { .stageExtend }
    package let account: AccountID
    package let lifetime: Int

    package init(account: AccountID, lifetime: Int) {
        self.account = account
        self.lifetime = lifetime
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["account", "ttl"])
        account = try fields.name("account")
        lifetime = try fields.integer("ttl", in: 1...31_536_000)
    }

    package var body: [Element] { [.field("account", account), .field("ttl", lifetime, unit: "s")] }
}

/// `stage.revoke`: withdraws an account now. Without a policy, the account's own applies.
package struct StageRevoke: RequestMessage {
    package typealias Reply = Done
    package static var type: RequestType { .stageRevoke }
    package let account: AccountID
    package let policy: ExpiryPolicy?

    package init(account: AccountID, policy: ExpiryPolicy? = nil) {
        self.account = account
        self.policy = policy
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["account", "policy"])
        account = try fields.name("account")
        policy = fields.optional("policy") == nil ? nil : try fields.value("policy", ExpiryPolicy.init)
    }

    package var body: [Element] {
        var body: [Element] = [.field("account", account)]
        if let policy { body.append(.field("policy", policy)) }
        return body
    }
}

/// `stage.status`: one account as it is; `gone` once it is withdrawn, `not-found` when it never was.
package struct StageStatus: RequestMessage {
    package typealias Reply = StagedAccount
    package static var type: RequestType { .stageStatus }
    package let account: AccountID

    package init(account: AccountID) { self.account = account }
    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["account"])
        account = try fields.name("account")
    }
    package var body: [Element] { [.field("account", account)] }
}

/// `stage.list`: accounts of one customer or of all, newest first, a page at a time.
///
///     <customer>acme</customer>? (<after>k5zq…</after> <created>…</created>)? <limit>100</limit>?
package struct StageList: RequestMessage {
    package static var type: RequestType { .stageList }
    package let customer: CustomerName?
    /// List accounts older than this one: the last row of the page before, which may be gone by now.
    package let after: Place?
    /// 1 to 500 a page.
    package let limit: Int

    /// Where an account stands in the list.
    package struct Place: Sendable, Hashable {
        package let account: AccountID
        package let created: Timestamp

        package init(_ row: Row) { self.init(account: row.account, created: row.created) }
        package init(account: AccountID, created: Timestamp) {
            self.account = account
            self.created = created
        }
    }

    package struct Row: Sendable, Hashable {
        package let account: AccountID
        package let customer: CustomerName
        package let items: [Item]
        package let created: Timestamp
        package let expires: Timestamp

        package init(
            account: AccountID, customer: CustomerName, items: [Item], created: Timestamp, expires: Timestamp
        ) {
            self.account = account
            self.customer = customer
            self.items = items
            self.created = created
            self.expires = expires
        }
    }

    package struct Reply: ReplyMessage {
        package let rows: [Row]
        /// Whether another page follows the last row.
        package let more: Bool
        /// Accounts on all pages.
        package let count: Int

        package init(rows: [Row], more: Bool, count: Int) {
            self.rows = rows
            self.more = more
            self.count = count
        }

        package init(fields: Fields) throws(Failure) {
            rows = try fields.all("row").map { element throws(Failure) in
                let row = Fields(element.children, of: "row")
                return Row(
                    account: try row.name("account"), customer: try row.name("customer"), items: try row.items(),
                    created: try row.timestamp("created"), expires: try row.timestamp("expires"))
            }
            more = fields.optional("more") != nil
            count = try fields.integer("count", in: 0...Int.max)
        }

        package var body: [Element] {
            rows.map { row in
                Element(
                    "row",
                    children: [.field("account", row.account), .field("customer", row.customer)]
                        + row.items.map(\.element)
                        + [.field("created", row.created), .field("expires", row.expires)])
            } + [.field("count", count)] + (more ? [Element("more")] : [])
        }
    }

    package init(customer: CustomerName? = nil, after: Place? = nil, limit: Int = 100) {
        self.customer = customer
        self.after = after
        self.limit = limit
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["customer", "after", "created", "limit"])
        customer = fields.optional("customer") == nil ? nil : try fields.name("customer")
        after =
            fields.optional("after") == nil && fields.optional("created") == nil
            ? nil : Place(account: try fields.name("after"), created: try fields.timestamp("created"))
        limit = fields.optional("limit") == nil ? 100 : try fields.integer("limit", in: 1...500)
    }

    package var body: [Element] {
        var body: [Element] = []
        if let customer { body.append(.field("customer", customer)) }
        if let after { body += [.field("after", after.account), .field("created", after.created)] }
        body.append(.field("limit", limit))
        return body
    }
}
