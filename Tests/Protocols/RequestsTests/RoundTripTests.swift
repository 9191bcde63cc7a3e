import ChangeFeed
import FFSModel
import Requests
import Testing
import Tobj

/// Sends a message's body, and a reply's, through the bytes of the wire and back.
private func roundTrip<Message: RequestMessage>(_ message: Message, _ reply: Message.Reply) throws {
    let request = Document(request: Message.type.rawValue, body: message.body)
    let received = try Document(bytes: request.serialized())
    #expect(received.type == Message.type.rawValue)
    let decoded = try Message(fields: Fields(received.body, of: received.type))
    #expect(decoded.body == message.body)
    let answer = try Document(bytes: received.reply(reply.body).serialized())
    let decodedReply = try Message.Reply(fields: Fields(try answer.success(), of: answer.type))
    #expect(decodedReply.body == reply.body)
}

/// Every field of the auth and administration messages survives the wire, absent ones included.
@Suite struct RoundTripTests {
    private let acme: CustomerName
    private let item: Item
    private let manifest: ContentDigest
    private let now = Timestamp(seconds: 1_800_000_000)
    private let entitlement: EntitlementRecord

    init() throws {
        acme = try CustomerName("acme+eu@example.com")
        item = Item(product: try ProductName("ignite-ux"), version: try VersionName("C.7.24~rc1"))
        manifest = try #require(ContentDigest(String(repeating: "0123456789abcdef", count: 4)))
        entitlement = EntitlementRecord(
            id: 17, customer: acme, product: item.product, version: item.version, from: now, until: now + 5,
            policy: .grace(seconds: 600), orderLimit: 3, orders: 2, revoked: now + 1)
    }

    @Test func signIn() throws {
        let bytes: [UInt8] = [0xC3, 0xBC, 0x3C, 0x26, 0x00, 0xFF]
        try roundTrip(
            AuthLogin(customer: acme, password: bytes, source: "2001:db8::1"),
            AuthLogin.Reply(customer: acme, displayName: "ACME <GmbH> & Söhne", generation: Int.max))
        try roundTrip(
            AuthPassword(customer: acme, password: bytes, newPassword: [], source: "-"),
            AuthPassword.Reply(generation: 0))
        try roundTrip(AuthSession(customer: acme, generation: 7), Done())
        let offer = Entitlement(
            item: item, title: "T", summary: "", size: Int.max, files: 0, released: now, until: nil, policy: .cut)
        try roundTrip(AuthEntitlements(customer: acme), AuthEntitlements.Reply(entitlements: [offer], more: true))
        try roundTrip(
            AuthEntitlements(customer: acme, generation: 5, after: item, holding: 3, resume: true, limit: 1),
            AuthEntitlements.Reply(entitlements: []))
        try roundTrip(
            AuthEntitlements(customer: acme, after: item, search: "Größe 2", products: 50),
            AuthEntitlements.Reply(entitlements: [offer], more: true, products: 5_000))
        try roundTrip(AuthEntitlements(customer: acme, items: [item]), AuthEntitlements.Reply(entitlements: [offer]))
        #expect(throws: Failure.self) {
            let mixed = AuthEntitlements(customer: acme, search: "x", items: [item])
            _ = try AuthEntitlements(fields: Fields(mixed.body, of: "auth.entitlements"))
        }
        try roundTrip(
            AuthOrder(customer: acme, generation: 0, items: [item], source: "192.0.2.1"),
            AuthOrder.Reply(order: 1, policy: .finish, until: now, position: FeedPosition(number: 5, nonce: .max)))
        let terms = AccountTerms(
            manifests: [item: manifest], retailer: try RetailerName("parts-direct"), level: 4, isMetered: true)
        try roundTrip(
            AuthOrder(customer: acme, items: [item], source: "-"),
            AuthOrder.Reply(order: 1, policy: .cut, until: nil, terms: terms))
        let reply = AuthOrder.Reply(order: 1, policy: .cut, until: nil, terms: terms)
        #expect(try AuthOrder.Reply(fields: Fields(reply.body, of: "auth.order")).terms == terms)
    }

    @Test func feedAndOutbox() throws {
        let node = try NodeName("storage-1")
        let position = FeedPosition(number: 17, nonce: 0x00F1_E2D3_C4B5_A697)
        let keys = Dictionary(uniqueKeysWithValues: FeedRow.Column.allCases.map { ($0, "<\($0.rawValue)> ü\n") })
        let rows = [
            FeedRow(position: position, entity: .entitlement, operation: .delete, keys: keys),
            FeedRow(position: .empty, entity: .person, operation: .insert, keys: [:]),
        ]
        try roundTrip(
            FeedNext(node: node, after: position, seen: [position, .empty], wait: 10_000),
            FeedAnswer(rows: rows, position: position, isAtHead: true))
        let reset = FeedAnswer(rows: [], position: .empty, isAtHead: false, isReset: true)
        try roundTrip(FeedNext(node: node, after: nil, wait: 0, limit: 1), reset)
        #expect(try FeedAnswer(fields: Fields(reset.body, of: "test")) == reset)
        try roundTrip(FeedAcknowledge(node: node, position: position, lease: 0), Done())
        let host = FeedStatus.Host(node: node, number: 16, lag: 1, silent: 0, lease: 29)
        try roundTrip(FeedStatus(), FeedStatus.Reply(head: position, rows: 3, hosts: [host]))
        let standing = OrderCheck.Standing(order: 5, stands: true, policy: .cut, until: now)
        let fallen = OrderCheck.Standing(order: 6, stands: false, policy: .finish, until: nil)
        try roundTrip(OrderCheck(orders: [5, 6]), OrderCheck.Reply(standings: [standing, fallen], position: position))
        #expect(throws: Failure.self) { try OrderCheck(fields: Fields([], of: "order.check")) }
        let row = OutboxNext.Row(number: 1, record: [0, 0xFF, 0x3C, 0x0A])
        try roundTrip(
            OutboxNext(after: 0, wait: 5), OutboxNext.Reply(incarnation: ID128(high: 1, low: 2), rows: [row]))
        try roundTrip(
            OutboxNext(after: 7, incarnation: ID128(high: 1, low: 2), last: ID128(high: 3, low: 4), wait: 5),
            OutboxNext.Reply(incarnation: ID128(high: 1, low: 2), rows: []))
        try roundTrip(OutboxAcknowledge(incarnation: ID128(high: 1, low: 2), through: 1), Done())
    }

    @Test func content() throws {
        for outcome in ContentRegister.Reply.Outcome.allCases {
            try roundTrip(
                ContentRegister(
                    product: item.product, version: item.version, title: "Ignite", summary: "Für alle",
                    manifest: manifest, size: 1, files: 2, replace: true),
                ContentRegister.Reply(outcome: outcome, released: now))
        }
        let plain = ContentRegister(product: item.product, version: item.version, manifest: manifest, size: 0, files: 0)
        try roundTrip(plain, ContentRegister.Reply(outcome: .registered, released: now))
        let decoded = try ContentRegister(fields: Fields(plain.body, of: "test"))
        #expect(decoded.title == nil && decoded.summary == nil && !decoded.replace)
        try roundTrip(
            ContentWithdraw(product: item.product), ContentWithdraw.Reply(withdrawn: [item.version, item.version]))
        try roundTrip(
            ContentWithdraw(product: item.product, version: item.version), ContentWithdraw.Reply(withdrawn: []))
        let record = ProductRecord(
            item: item, title: "T", summary: "S", manifest: manifest, size: 5, files: 6, released: now,
            status: .withdrawn)
        try roundTrip(ProductList(product: item.product, after: item, limit: 7), Page(rows: [record], more: true))
        try roundTrip(ProductList(), Page(rows: [], more: false))
        try roundTrip(ProductUpdate(product: item.product, title: "T", summary: ""), Done())
    }

    @Test func customers() throws {
        let record = CustomerRecord(
            customer: acme, displayName: "A", status: .disabled, expires: now, created: now, passwordSet: now)
        let bare = CustomerRecord(
            customer: acme, displayName: "A", status: .active, expires: nil, created: now, passwordSet: nil)
        try roundTrip(CustomerCreate(customer: acme, displayName: "A", expires: now, password: [0x61]), record)
        try roundTrip(CustomerCreate(customer: acme), bare)
        for expires in [nil, Deadline.never, .at(now)] {
            let update = CustomerUpdate(customer: acme, status: .disabled, expires: expires, password: [0xFF])
            try roundTrip(update, bare)
            #expect(try CustomerUpdate(fields: Fields(update.body, of: "test")).expires == expires)
        }
        try roundTrip(CustomerList(customer: acme, after: acme, limit: 500), Page(rows: [record, bare], more: true))
        try roundTrip(CustomerDelete(customer: acme), Done())
    }

    @Test func entitlements() throws {
        try roundTrip(
            EntitlementGrant(
                customer: acme, product: item.product, version: item.version, from: now, until: now + 9,
                policy: .grace(seconds: 1), orderLimit: 2), entitlement)
        try roundTrip(EntitlementGrant(customer: acme, product: item.product), entitlement)
        let targets: [EntitlementRevoke.Target] = [
            .id(17), .grant(acme, item.product, nil), .grant(acme, item.product, item.version),
        ]
        for target in targets {
            try roundTrip(EntitlementRevoke(target), EntitlementRevoke.Reply(revoked: [1, 2]))
            #expect(try EntitlementRevoke(fields: Fields(EntitlementRevoke(target).body, of: "test")).target == target)
        }
        try roundTrip(
            EntitlementList(customer: acme, product: item.product, all: true, after: 3, limit: 4),
            Page(rows: [entitlement], more: false))
    }

    @Test func ordersNodesAndDaemons() throws {
        let order = OrderRecord(
            order: 9, customer: acme, items: [item, item], placed: now, source: "192.0.2.1", policy: .cut, until: now,
            trace: .random())
        try roundTrip(OrderList(customer: acme, after: 3, limit: 2), Page(rows: [order], more: true))
        try roundTrip(OrderList(), Page(rows: [], more: false))
        for role in NodeRecord.Role.allCases {
            let node = NodeRecord(node: try NodeName("s-1"), role: role, address: "2001:db8::1", registered: now)
            try roundTrip(NodeRegister(node: node.node, role: role, address: node.address), node)
            try roundTrip(NodeList(after: node.node, limit: 1), Page(rows: [node], more: false))
        }
        try roundTrip(
            DaemonStatus(),
            DaemonStatus.Reply(
                daemon: "ffsauthd", version: "1", pid: 1, started: now, values: [.init("a b", 0), .init("c", Int.max)]))
        try roundTrip(DaemonReload(), Done())
        try roundTrip(Ping(), Ping.Reply(daemon: "ffsauthd", version: "1", time: now))
    }
}

/// Pages and the fields they share.
@Suite struct PageTests {
    private struct Wide: PageRow {
        let text: String
        init(text: String) { self.text = text }
        init(fields: Fields) throws(Failure) { text = try fields.text("text0") }
        var body: [Element] { (0..<9).map { .field("text\($0)", text) } }
    }

    @Test(arguments: [("", 500), ("x", 500), (String(repeating: "ü", count: 2_000), 500), ("x", 3)])
    func staysWithinOneDocument(text: String, limit: Int) throws {
        let rows = (0..<600).map { _ in Wide(text: text) }
        let page = Page(fitting: rows, limit: limit)
        #expect(page.more)
        #expect((1...limit).contains(page.rows.count))
        // Parses under the limits of the wire.
        let bytes = Document(request: "test").reply(page.body).serialized()
        let received = try Document(bytes: bytes)
        let decoded = try Page<Wide>(fields: Fields(try received.success(), of: "test"))
        #expect(decoded.rows.count == page.rows.count && decoded.more)
    }

    @Test func aRowThatIsTooLargeStillGoes() {
        let page = Page(fitting: [Wide(text: String(repeating: "x", count: 200_000))], limit: 10)
        #expect(page.rows.count == 1 && !page.more)
    }

    @Test(arguments: ["limit", "after", "customer", "strange"])
    func wrongFieldsAreNamed(field: String) throws {
        let fields = Fields([.field(field, "0 or 1")], of: "customer.list")
        let failure = #expect(throws: Failure.self) { try CustomerList(fields: fields) }
        #expect(failure?.code == .badRequest)
        #expect(failure?.text.contains("<\(field)>") == true)
    }

    @Test(arguments: [
        ("never", Deadline.never), ("2027-01-01", .at(Timestamp(seconds: 1_798_761_600))), ("Never", nil), ("", nil),
        ("2027-13-01", nil),
    ])
    func deadlines(text: String, expected: Deadline?) {
        #expect(Deadline(text) == expected)
        if let expected { #expect(Deadline(expected.description) == expected) }
    }

    /// A line is one line, on every terminal and in every log.
    @Test(arguments: ["a\nb", "a\rb", "a\u{0}b", "\u{1B}[31m", "a\u{85}b", "a\u{2028}b", ""])
    func linesHaveNoControlCharacters(text: String) throws {
        let body: [Element] = [.field("customer", "acme"), .field("display-name", text)]
        #expect(throws: Failure.self) { try CustomerUpdate(fields: Fields(body, of: "customer.update")) }
    }
}
