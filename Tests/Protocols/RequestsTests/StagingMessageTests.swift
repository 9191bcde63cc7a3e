import ChangeFeed
import FFSModel
import Requests
import Testing
import Tobj

/// The staging messages' fields, and what they refuse.
@Suite struct StagingMessageTests {
    private let account: AccountID
    private let acme: CustomerName
    private let item: Item
    private let staged: StagedAccount

    init() throws {
        account = try AccountID("k5xw6zdfmnqxgzlu")
        acme = try CustomerName("acme")
        item = Item(product: try ProductName("ignite-ux"), version: try VersionName("C.7.24"))
        let digest = try #require(ContentDigest(String(repeating: "ab", count: 32)))
        let paths = ["a", "dir/\u{65E5}\u{672C}", "x<&>\" y"]
        staged = StagedAccount(
            account: account, password: "abcdefghijklmnopqrstuvwxyz", customer: acme, items: [item, item],
            created: Timestamp(seconds: 1), expires: Timestamp(seconds: 2), policy: .grace(seconds: 5), order: 3,
            fileCount: 4, bytes: 5,
            files: try paths.map { StagedFile(path: try RelativePath($0), size: 1 << 40, digest: digest) }
                // A name that is not UTF-8.
                + [StagedFile(path: try RelativePath(bytes: [0x66, 0xFF, 0x2F, 0xC3]), size: 0, digest: digest)],
            link: "6920b3a0-00")
    }

    private func roundTrip<Message: RequestMessage>(_ message: Message, _ reply: Message.Reply) throws -> Message {
        let request = Document(request: Message.type.rawValue, body: message.body)
        let received = try Document(bytes: request.serialized())
        let decoded = try Message(fields: Fields(received.body, of: received.type))
        #expect(decoded.body == message.body)
        let answer = try Document(bytes: received.reply(reply.body).serialized())
        #expect(try Message.Reply(fields: Fields(try answer.success(), of: answer.type)).body == reply.body)
        return decoded
    }

    @Test func create() throws {
        let full = try roundTrip(
            StageCreate(customer: acme, items: [item, item], lifetime: 86_400, policy: .cut, order: 17), staged)
        let terms = AccountTerms(
            manifests: [item: staged.files[0].digest], retailer: try RetailerName("parts-direct"), level: 4,
            isMetered: true)
        let position = FeedPosition(number: 5, nonce: 6)
        let pinned = try roundTrip(
            StageCreate(customer: acme, items: [item], lifetime: 60, terms: terms, position: position), staged)
        #expect(pinned.position == position)
        #expect(pinned.terms == terms)
        #expect(full.items.count == 2 && full.lifetime == 86_400 && full.policy == .cut && full.order == 17)
        // As the specification's example writes it.
        let plain = try StageCreate(
            fields: Fields(
                try parseTobj(
                    Array(
                        "<t>\n<customer>acme</customer>\n<item product=\"ignite-ux\" version=\"C.7.24\"/>\n<ttl unit=\"s\">60</ttl>\n</t>"
                            .utf8)
                ).children, of: "stage.create"))
        #expect(plain.policy == .finish && plain.order == 0 && plain.lifetime == 60)
    }

    @Test func theOthers() throws {
        let bare = StagedAccount(
            account: account, password: nil, customer: acme, items: [item], created: Timestamp(seconds: 1),
            expires: Timestamp(seconds: 2), policy: .finish, order: 0, fileCount: 0, bytes: 0, files: [])
        #expect(try roundTrip(StageExtend(account: account, lifetime: 1), bare).lifetime == 1)
        #expect(try roundTrip(StageStatus(account: account), bare).account == account)
        for policy in [nil, ExpiryPolicy.finish, .cut, .grace(seconds: 604_800)] {
            #expect(try roundTrip(StageRevoke(account: account, policy: policy), Done()).policy == policy)
        }
        let row = StageList.Row(
            account: account, customer: acme, items: [item], created: Timestamp(seconds: 1),
            expires: Timestamp(seconds: 2))
        let list = try roundTrip(
            StageList(customer: acme, after: StageList.Place(row), limit: 500),
            StageList.Reply(rows: [row, row], more: true, count: 7))
        #expect(list.customer == acme && list.after == StageList.Place(row) && list.limit == 500)
        _ = try roundTrip(StageList(), StageList.Reply(rows: [], more: false, count: 0))
    }

    @Test(
        "each field that is missing, unknown or malformed is named",
        arguments: [
            ("<item product=\"p\" version=\"1\"/><ttl>1</ttl>", "customer"),
            ("<customer>acme</customer><ttl>1</ttl>", "item"),
            ("<customer>acme</customer><item product=\"p\" version=\"1\"/>", "ttl"),
            ("<customer>acme</customer><item product=\"p\" version=\"1\"/><ttl>0</ttl>", "ttl"),
            ("<customer>acme</customer><item product=\"p\" version=\"1\"/><ttl>31536001</ttl>", "ttl"),
            ("<customer>acme</customer><item product=\"p\" version=\"1\" manifest=\"0\"/><ttl>1</ttl>", "item"),
            ("<customer>acme</customer><item product=\"p\" version=\"1\"/><ttl>1</ttl><level>5</level>", "level"),
            ("<customer>acme</customer><item product=\"..\" version=\"1\"/><ttl>1</ttl>", "item"),
            ("<customer>acme</customer><item product=\"p\" version=\"1/2\"/><ttl>1</ttl>", "item"),
            ("<customer>a&#xA;b</customer><item product=\"p\" version=\"1\"/><ttl>1</ttl>", "customer"),
            (
                "<customer>acme</customer><item product=\"p\" version=\"1\"/><ttl>1</ttl><policy>never</policy>",
                "policy"
            ),
            (
                "<customer>acme</customer><item product=\"p\" version=\"1\"/><ttl>1</ttl><policy>grace 0</policy>",
                "policy"
            ),
            ("<customer>acme</customer><item product=\"p\" version=\"1\"/><ttl>1</ttl><order>-1</order>", "order"),
            (
                "<customer>acme</customer><item product=\"p\" version=\"1\"/><ttl>1</ttl><lifetime>1</lifetime>",
                "lifetime"
            ),
        ])
    func malformed(_ body: String, _ field: String) throws {
        let fields = Fields(try parseTobj(Array("<t>\(body)</t>".utf8)).children, of: "stage.create")
        let failure = #expect(throws: Failure.self) { _ = try StageCreate(fields: fields) }
        #expect(failure?.code == .badRequest)
        #expect(failure?.text.contains("<\(field)>") == true)
    }
}
