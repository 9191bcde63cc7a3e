import Clients
import FFSModel
import Requests
import Testing
import Tobj

@testable import AuthService

@Suite struct AdministrationTests {
    @Test func entitlementsAreGrantedOnceAndRevoked() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        try await harness.content("tool", "1")
        let grant = try await harness.grant(acme, "tool")
        let twin = try await failure { try await harness.grant(acme, "tool") }
        #expect(twin.code == .exists)
        #expect(twin.text.contains("number \(grant.id)"))
        let second = try await harness.grant(acme, "tool", until: harness.clock.now + 50)
        let reply = try await harness.operators.send(
            EntitlementRevoke(.grant(acme, try ProductName("tool"), nil)))
        #expect(reply.revoked == [grant.id, second.id])
        #expect(try await harness.operators.rows(of: EntitlementList(customer: acme)).isEmpty)
        let all = try await harness.operators.rows(of: EntitlementList(customer: acme, all: true))
        #expect(all.map(\.revoked) == [harness.clock.now, harness.clock.now])
        #expect(try await harness.operators.send(EntitlementRevoke(.id(grant.id))).revoked == [])
        #expect(try await failure { try await harness.operators.send(EntitlementRevoke(.id(999))) }.code == .notFound)
    }

    @Test func whatIsNotThereIsNamed() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        try await harness.content("tool", "1")
        let nobody = try CustomerName("nobody")
        let failures = [
            try await failure { try await harness.grant(nobody, "tool") },
            try await failure { try await harness.grant(acme, "nothing") },
            try await failure { try await harness.grant(acme, "tool", version: "9") },
            try await failure { try await harness.operators.send(CustomerUpdate(customer: nobody)) },
            try await failure { try await harness.operators.send(CustomerDelete(customer: nobody)) },
            try await failure { try await harness.operators.send(CustomerList(customer: nobody)) },
            try await failure { try await harness.operators.send(ProductUpdate(product: try ProductName("nothing"))) },
            try await failure {
                try await harness.operators.send(ContentWithdraw(product: try ProductName("nothing")))
            },
        ]
        for refusal in failures {
            #expect(refusal.code == .notFound)
            #expect(refusal.text.contains("ffsctl"))
        }
        #expect(
            try await failure { try await harness.grant(acme, "tool", until: harness.clock.now) }.code == .badRequest)
        #expect(try await failure { try await harness.customer() }.code == .exists)
    }

    @Test func contentIsReplacedOnlyOnDemand() async throws {
        let harness = try Harness()
        try await harness.content("tool", "1")
        let unchanged = try await harness.operators.send(
            ContentRegister(
                product: try ProductName("tool"), version: try VersionName("1"), manifest: digest("tool", "1", 0),
                size: 1_000, files: 3))
        #expect(unchanged.outcome == .unchanged)
        #expect(try await failure { try await harness.content("tool", "1", seed: 1) }.code == .exists)
        try await harness.content("tool", "1", replace: true, seed: 1)
        let rows = try await harness.operators.rows(of: ProductList())
        #expect(rows.map(\.manifest) == [digest("tool", "1", 1)])
        // Texts that are not given stay.
        #expect(rows.first?.title == "Title of tool")
    }

    /// Long lists come in pages that each stay within Tobj's limits, whatever the rows hold.
    @Test func pagesStayWithinTheDocument() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        let summary = String(repeating: "ü<&\"", count: 400)
        for number in 0..<620 {
            let product = try ProductName("p\(number / 20)")
            _ = try await harness.operators.send(
                ContentRegister(
                    product: product, version: try VersionName("v\(number)"), title: "ö", summary: summary,
                    manifest: digest("p", "\(number)", UInt8(number & 255)), size: number, files: 1))
            if number % 20 == 0 { try await harness.grant(acme, product.text) }
        }
        #expect(try await harness.web.entitlements(of: acme).count == 620)
        #expect(try await harness.operators.rows(of: ProductList(limit: 500)).count == 620)
        let items = try await harness.web.entitlements(of: acme).map(\.item)
        for start in stride(from: 0, to: 500, by: 250) {
            _ = try await harness.order(acme, Array(items[start..<start + 250]))
        }
        for _ in 0..<20 { _ = try await harness.order(acme, Array(items[..<250])) }
        let orders = try await harness.operators.rows(of: OrderList(limit: 500))
        #expect(orders.map(\.order) == orders.map(\.order).sorted(by: >))
        #expect(orders.count == 22)
    }

    @Test func everyTypeIsServedOnItsLinksOnly() async throws {
        let harness = try Harness()
        let served = Set(harness.table.types)
        let others = RequestType.allCases.filter { type in
            ["stage", "ftp", "daemon", "pipe", "dead", "log", "ledger"].contains { type.rawValue.hasPrefix("\($0).") }
        }
        #expect(served == Set(RequestType.allCases).subtracting(others))
        let acme = try await harness.customer()
        for link in [Link.webInternal, .webStorage] {
            let client = AuthClient(TableTransport(table: harness.table, link: link))
            #expect(try await failure { try await client.send(CustomerDelete(customer: acme)) }.code == .notServed)
            #expect(try await failure { try await client.send(CustomerUpdate(customer: acme)) }.code == .notServed)
        }
    }
}

/// What no correct peer sends: refused by name of the field, and nothing is written.
@Suite struct BadInputTests {
    private static let long = String(repeating: "a", count: 5_000)

    private static let hostile: [[UInt8]] =
        [
            long, "../x", "a/b", "a b", "a\u{0}b", "a\r\nb", "\u{1B}[2J", "é", "", "-x", ".x",
            "a'; DROP TABLE customers;--",
        ]
        .map { Array($0.utf8) } + [[0xFF, 0xFE], [0x61, 0x00]]

    private func refused(_ harness: Harness, _ type: RequestType, _ body: [Element]) async throws {
        let request = Document(request: type.rawValue, body: body)
        let reply = await harness.table.answer(request, link: .control, peer: "test") { _, _ in }
        guard case .error(let failure) = reply.status else {
            Issue.record("\(type.rawValue) took \(body)")
            return
        }
        #expect(failure.code == .badRequest, "\(type.rawValue): \(failure)")
        #expect(failure.text.utf8.count < 400)
        #expect(failure.text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F })
    }

    @Test(arguments: BadInputTests.hostile)
    func namesAreNames(bytes: [UInt8]) async throws {
        let harness = try Harness()
        let customer = Element("customer", text: bytes)
        let password = Element("password", text: "long enough")
        for type in [RequestType.authLogin, .customerCreate, .customerUpdate] {
            try await refused(harness, type, [customer, password])
        }
        for type in [RequestType.authEntitlements, .customerDelete, .customerList] {
            try await refused(harness, type, [customer])
        }
        let item = Element("item", [.init("product", bytes), .init("version", "1".utf8)])
        try await refused(harness, .authOrder, [.field("customer", "acme"), item])
        let register: [Element] = [
            .field("version", "1"), .field("manifest", String(repeating: "a", count: 64)), .field("size", 1),
            .field("files", 1),
        ]
        try await refused(harness, .contentRegister, [Element("product", text: bytes)] + register)
        try await refused(
            harness, .nodeRegister, [Element("node", text: bytes), .field("role", "web"), .field("address", "h")])
        #expect(try await harness.database.read { try $0.changes(after: 0, limit: 1) }.isEmpty)
    }

    @Test func textsNumbersAndDatesAreChecked() async throws {
        let harness = try Harness()
        try await harness.customer()
        let name = Element.field("customer", "acme")
        try await refused(harness, .customerUpdate, [name, .field("display-name", Self.long)])
        try await refused(harness, .customerUpdate, [name, .field("display-name", "two\nlines")])
        try await refused(harness, .customerUpdate, [name, .field("display-name", "")])
        try await refused(harness, .customerUpdate, [name, .field("expires", "tomorrow")])
        try await refused(harness, .customerUpdate, [name, .field("expires", "2026-02-30")])
        try await refused(harness, .customerUpdate, [name, .field("status", "king")])
        try await refused(harness, .customerUpdate, [name, .field("pasword", "misspelt")])
        try await refused(harness, .customerUpdate, [name, .field("password", Self.long)])
        try await refused(harness, .customerUpdate, [name, .field("password", "short")])
        try await refused(harness, .customerUpdate, [name, Element("password", text: .correct + [0])])
        try await refused(harness, .authLogin, [name])
        try await refused(harness, .authLogin, [name, .field("password", "x"), .field("source", Self.long)])
        try await refused(harness, .authLogin, [name, .field("password", "x"), .field("source", "1\r\n2")])
        try await refused(harness, .customerList, [.field("limit", 0)])
        try await refused(harness, .customerList, [.field("limit", 501)])
        try await refused(harness, .customerList, [.field("limit", "99999999999999999999")])
        try await refused(harness, .entitlementRevoke, [.field("entitlement", -1)])
        try await refused(harness, .authOrder, [name])
        let item = Item(product: try ProductName("a"), version: try VersionName("1")).element
        try await refused(harness, .authOrder, [name, item, item])
        try await refused(
            harness, .authOrder,
            [name]
                + (0..<257).map { Element("item", [.init("product", "a\($0)".utf8), .init("version", "1".utf8)]) })
        #expect(
            try await harness.database.read { try $0.customer(try CustomerName("acme"))?.displayName } == "acme Ltd.")
    }
}
