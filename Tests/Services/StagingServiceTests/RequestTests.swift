import FFSModel
import Glibc
import Requests
import StagingService
import SystemSupport
import TestSupport
import Testing
import Tobj

/// What comes in over the link, as documents.
@Suite struct RequestTests {
    private func answer(_ fixture: StagingFixture, _ type: String, _ body: [Element]) async -> Document {
        let table = fixture.engine.requestTable(daemon: "ffsstaged", version: "0")
        return await table.answer(
            Document(request: type, body: body), link: .webStorage, peer: "test", report: { _, _ in })
    }

    private func code(_ reply: Document) -> FailureCode? {
        if case .error(let failure)? = reply.status { failure.code } else { nil }
    }

    /// `<item product="…" version="…"/>` with any bytes.
    private func item(_ product: [UInt8], _ version: [UInt8] = Array("1.0".utf8)) -> Element {
        Element("item", [.init("product", product), .init("version", version)])
    }

    @Test(arguments: [
        Array("..".utf8), Array("../tool".utf8), Array("a/b".utf8), Array("tool\0".utf8), Array("tool\r\nX".utf8),
        Array("\u{1B}[2J".utf8), [UInt8](repeating: 0x61, count: 5_000), [], [0xFF, 0xFE],
    ])
    func badNamesAreRefusedAndLeaveNothing(_ name: [UInt8]) async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1"])
        let good = item(Array("tool".utf8))
        for (type, body) in [
            ("stage.create", [.field("customer", "acme"), item(name), .field("ttl", 60, unit: "s")]),
            (
                "stage.create",
                [.field("customer", "acme"), item(Array("tool".utf8), name), .field("ttl", 60, unit: "s")]
            ),
            ("stage.create", [Element("customer", text: name), good, .field("ttl", 60, unit: "s")]),
            ("stage.status", [Element("account", text: name)]), ("stage.revoke", [Element("account", text: name)]),
            ("stage.extend", [Element("account", text: name), .field("ttl", 60, unit: "s")]),
            ("stage.list", [Element("customer", text: name)]),
        ] as [(String, [Element])] {
            let reply = await answer(fixture, type, body)
            #expect(code(reply) == .badRequest, "\(type)")
        }
        #expect(try fixture.accounts().isEmpty && Files.names(in: fixture.area(".building")).isEmpty)
    }

    @Test func missingAndStrangeFieldsAreRefused() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1"])
        let whole: [Element] = [
            .field("customer", "acme"), item(Array("tool".utf8)), .field("ttl", 60, unit: "s"),
        ]
        #expect(code(await answer(fixture, "stage.create", whole)) == nil)
        for index in whole.indices {
            var body = whole
            body.remove(at: index)
            #expect(code(await answer(fixture, "stage.create", body)) == .badRequest)
        }
        #expect(code(await answer(fixture, "stage.create", whole + [.field("policy", "perhaps")])) == .badRequest)
        #expect(code(await answer(fixture, "stage.create", whole + [.field("root", "yes")])) == .badRequest)
        #expect(code(await answer(fixture, "auth.login", whole)) == .notServed)
    }

    /// 600 files with long names full of what takes most room: the reply stays a document that peers accept.
    @Test func repliesFitADocument() async throws {
        let fixture = try StagingFixture()
        let long = String(repeating: "&\"é", count: 50)
        try fixture.publish(
            Dictionary(uniqueKeysWithValues: (0..<600).map { ("\(long)/\(long)/\(long)/\(long)/\($0)", "x") }))
        try fixture.publish(["b": "1"], as: StagingFixture.item("zz"))
        for items in [["tool"], ["tool", "zz"]] {
            let body: [Element] =
                [.field("customer", "acme"), .field("ttl", 60, unit: "s")] + items.map { item(Array($0.utf8)) }
            let bytes = await answer(fixture, "stage.create", body).serialized()
            #expect(bytes.count < 1 << 20)
            let reply = try Document(bytes: bytes)
            let account = try StagedAccount(fields: Fields(try reply.success(), of: reply.type))
            #expect(account.fileCount == 600 + items.count - 1)
            #expect(!account.files.isEmpty && account.files.count < 500)
        }
    }

    @Test func listsFitADocument() async throws {
        let fixture = try StagingFixture()
        let items = (0..<200).map { StagingFixture.item("product-\($0)") }
        for item in items { try fixture.publish(["a": "1"], as: item) }
        for _ in 0..<30 { _ = try await fixture.create(items) }
        #expect(try await fixture.eventually { fixture.log.contains("area read") })
        let reply = await answer(fixture, "stage.list", [.field("limit", 500)])
        let page = try StageList.Reply(
            fields: Fields(try Document(bytes: reply.serialized()).success(), of: reply.type))
        #expect(page.count == 30 && page.more && !page.rows.isEmpty && page.rows.count < 30)
        let rest = try await fixture.engine.list(StageList(after: page.rows.last.map(StageList.Place.init), limit: 500))
        #expect(page.rows.count + rest.rows.count <= 30 && !rest.rows.isEmpty)
    }

    @Test func forgedLinksInTheAreaAreNoAccounts() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1"])
        let real = try await fixture.create().account
        let forged = try AccountID("aaaaaaaaaaaaaaaa")
        let moved = fixture.directory("elsewhere")
        try await command(["cp", "-r", fixture.area(real.text), moved]).succeeded()
        // A whole account elsewhere, and a record that is a link.
        #expect(symlink(moved, fixture.area(forged.text)) == 0)
        let second = try AccountID("bbbbbbbbbbbbbbbb")
        try Files.makeDirectory(fixture.area("\(second)/root"))
        #expect(symlink("\(moved)/record", fixture.area("\(second)/record")) == 0)
        for account in [forged, second] {
            let reply = await answer(fixture, "stage.status", [.field("account", account)])
            #expect(code(reply) == .corrupt)
        }
        try fixture.restart()
        #expect(try await fixture.eventually { try fixture.accounts() == [real.text] })
        #expect(try await fixture.eventually { try Files.names(in: fixture.area(".withdrawn")).isEmpty })
        #expect(Files.exists("\(moved)/record"))
    }

    @Test func aLinkInThePlaceOfATreeBeingBuiltIsNotEntered() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1"])
        let id = RequestID.random()
        let account = AccountCredentials(
            secret: try Descriptor.open(CPath("\(fixture.settings.stateDirectory)/staging-secret"), .read)
                .readAll(limit: 64) ?? []
        ).account(for: id)
        let outside = fixture.directory("outside")
        try Files.makeDirectory(outside)
        #expect(symlink(outside, fixture.area(".building/\(account)")) == 0)
        await #expect(throws: Failure.self) { try await fixture.create(id: id) }
        #expect(try Files.names(in: outside).isEmpty)
        // The link was cleared away with the failed attempt.
        #expect(try await fixture.create(id: id).account == account)
    }
}
