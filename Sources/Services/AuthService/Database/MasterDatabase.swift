package import ChangeFeed
package import FFSModel
package import Requests

/// The master database, whichever engine holds it. Decisions are made above this; below it are rows.
///
/// Every implementation passes the same conformance suite (Tests/Services/AuthServiceTests/Conformance).
package protocol MasterDatabase: Sendable {
    /// Runs `body` over one consistent state of the database.
    func read<Value: Sendable>(
        _ body: @escaping @Sendable (any MasterReading) throws -> Value
    ) async throws -> Value

    /// Runs `body` in one transaction: all of it is durable when this returns, none of it when it throws.
    func write<Value: Sendable>(
        _ body: @escaping @Sendable (any MasterWriting) throws -> Value
    ) async throws -> Value

    /// Where feed and outbox end, whoever wrote them; cheap enough to be asked forty times a second.
    func ends() async throws -> LogEnds

    /// Finishes what runs and releases the database.
    func close() async throws
}

/// What a sign-in needs to know of a customer.
package struct Credentials: Sendable {
    package let customer: CustomerName
    package let displayName: String
    package let status: CustomerRecord.Status
    package let expires: Timestamp?
    /// nil when nobody can sign in by password.
    package let password: PasswordHash?
    /// Another number after every change of password or status, and in another row of the same name.
    package let generation: Int

    /// Whether the right password opens the door.
    func mayEnter(at now: Timestamp) -> Bool { status == .active && expires.map { $0 > now } ?? true }
}

/// A version that a customer may order now, and the grant that lets them.
package struct Offer: Sendable {
    package let entitlement: Entitlement
    package let grant: Int
    package let manifest: ContentDigest
}

/// Whose offers, when, and which of them.
package struct OfferSelection: Sendable {
    package let customer: CustomerName
    package let now: Timestamp
    /// An order that does not count against order limits.
    package let holding: Int?
    /// Words that must all occur in product, version, title or summary; nil for everything.
    package let search: String?

    package init(customer: CustomerName, now: Timestamp, holding: Int? = nil, search: String? = nil) {
        self.customer = customer
        self.now = now
        self.holding = holding
        self.search = search
    }
}

/// A new row of `customers`.
package struct NewCustomer: Sendable {
    package let customer: CustomerName
    package let displayName: String
    package let expires: Timestamp?
    package let password: PasswordHash?
    package let created: Timestamp

    package init(
        customer: CustomerName, displayName: String, expires: Timestamp?, password: PasswordHash?, created: Timestamp
    ) {
        self.customer = customer
        self.displayName = displayName
        self.expires = expires
        self.password = password
        self.created = created
    }
}

/// A new row of `orders` with its items.
package struct NewOrder: Sendable {
    package let customer: CustomerName
    package let items: [Offer]
    package let placed: Timestamp
    package let source: String
    package let policy: ExpiryPolicy
    package let until: Timestamp?
    package let trace: TraceID
}

/// The reply to a request that changed something, kept so that a repeat gets it again.
package struct StoredReply: Sendable {
    /// SHA-256 in hexadecimal over type and fields of the request, passwords left out.
    package let fingerprint: String
    /// The reply as a Tobj document, 7-bit.
    package let document: [UInt8]
    package let at: Timestamp
}

/// Reads within one transaction. Lists come in the order their request documents, at most `limit` rows.
package protocol MasterReading {
    func storedReply(to id: RequestID) throws -> StoredReply?

    func credentials(of customer: CustomerName) throws -> Credentials?
    func customer(_ name: CustomerName) throws -> CustomerRecord?
    func customers(after: CustomerName?, limit: Int) throws -> [CustomerRecord]

    func version(_ item: Item) throws -> ProductRecord?
    func hasProduct(_ name: ProductName) throws -> Bool
    func versions(of product: ProductName?, after: Item?, limit: Int) throws -> [ProductRecord]

    /// What the customer may order, each version once, newest release first within each product. Costs what the page
    /// holds, not what the catalogue does.
    ///
    /// - Parameters:
    ///   - after: the last item of the page before; `badRequest` when it is gone.
    ///   - products: the first so many products alone; nil for no bound but `limit`'s.
    func offers(_ selection: OfferSelection, after: Item?, products: Int?, limit: Int) throws -> [Offer]
    /// Products of which ``offers(_:after:products:limit:)`` has something, on all pages.
    func productCount(_ selection: OfferSelection) throws -> Int
    /// The offer of just this item; nil when the customer may not order it.
    /// - Parameter holding: an order that does not count against order limits.
    func offer(of item: Item, to customer: CustomerName, at now: Timestamp, holding: Int?) throws -> Offer?

    func entitlement(_ id: Int) throws -> EntitlementRecord?
    /// - Parameter standingAt: only grants not revoked and not ended then; nil for all.
    func entitlements(
        of customer: CustomerName?, to product: ProductName?, standingAt: Timestamp?, after: Int, limit: Int
    ) throws -> [EntitlementRecord]

    func orders(of customer: CustomerName?, after: Int?, limit: Int) throws -> [OrderRecord]

    /// Orders that used up something of an order limit, not older than `since`, newest first; 100 at most.
    func limitedOrders(of customer: CustomerName, since: Timestamp) throws -> [OrderRecord]

    func nodes(after: NodeName?, limit: Int) throws -> [NodeRecord]

    func order(_ number: Int) throws -> OrderRecord?

    /// The newest row's position; ``FeedPosition/empty`` before the first.
    func feedHead() throws -> FeedPosition
    /// nil when there is no such row, or no longer.
    func feedNonce(of number: Int) throws -> UInt64?
    func changes(after number: Int, limit: Int) throws -> [FeedRow]
    /// Rows of the feed that are kept.
    func changeCount() throws -> Int

    /// Made with the outbox, or drawn since (``MasterWriting/renewOutbox()``).
    func outboxIncarnation() throws -> ID128
    func events(after number: Int, limit: Int) throws -> [OutboxNext.Row]
    /// The newest event's number, 0 before the first.
    func newestEvent() throws -> Int
}

extension MasterReading {
    /// The same with nothing held.
    package func offer(of item: Item, to customer: CustomerName, at now: Timestamp) throws -> Offer? {
        try offer(of: item, to: customer, at: now, holding: nil)
    }
}

/// Changes within one transaction.
package protocol MasterWriting: MasterReading {
    func store(_ reply: StoredReply, to id: RequestID) throws
    func forgetReplies(before: Timestamp) throws
    /// Drops changes that are below number `floor` or older than `before`, the oldest first, at most `atMost` of them, and never
    /// the newest; returns how many. A reader of the feed that was away for longer finds its row gone and begins anew.
    func forgetChanges(below floor: Int, before: Timestamp, atMost: Int) throws -> Int

    /// Appends an event's record to the outbox, in the transaction that makes it true.
    func append(_ record: [UInt8], at: Timestamp) throws
    /// Events through this number are in the log.
    func acknowledgeEvents(through number: Int) throws
    /// Drops events that are acknowledged and older than `before`, at most `atMost` of them; returns how many.
    func forgetEvents(before: Timestamp, atMost: Int) throws -> Int
    /// Draws another incarnation: the numbers that the log knows are no longer those of these events.
    func renewOutbox() throws

    func insert(_ customer: NewCustomer) throws
    /// Sets what is given; false when there is no such customer.
    func update(
        _ customer: CustomerName, displayName: String?, status: CustomerRecord.Status?, expires: Deadline?
    ) throws -> Bool
    func setPassword(_ password: PasswordHash, of customer: CustomerName, at: Timestamp) throws
    /// Puts `renewed` in the place of `old`, a hash of the same password; nothing when `old` is no longer there.
    /// The generation stays: it is the same password.
    func renewPassword(_ old: PasswordHash, by renewed: PasswordHash, of customer: CustomerName) throws
    func delete(_ customer: CustomerName) throws -> Bool

    /// Inserts the product or sets the texts that are given.
    func upsert(_ product: ProductName, title: String?, summary: String?, at: Timestamp) throws
    /// Inserts the content and the version, or points the version to it; published from `released` on.
    func publish(_ item: Item, manifest: ContentDigest, size: Int, files: Int, released: Timestamp) throws
    func setStatus(_ status: ProductRecord.Status, of item: Item) throws

    /// Returns the new grant's number.
    func insert(_ grant: EntitlementGrant, from: Timestamp) throws -> Int
    func revokeEntitlement(_ id: Int, at: Timestamp) throws

    /// Returns the order's number.
    func insert(_ order: NewOrder) throws -> Int
    /// From now on the order counts against the grants of these offers of its items.
    func charge(_ order: Int, to offers: [Offer]) throws

    func upsert(_ node: NodeRegister, at: Timestamp) throws
}
