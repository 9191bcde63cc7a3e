import Clients
import FFSModel
import GRDB
import Requests
import Synchronization
import Testing

@testable import AuthService

/// A customer's catalogue a page at a time, and what any question costs as everybody else's things grow.
@Suite struct CatalogueTests {
    private func folders(_ reply: AuthEntitlements.Reply) -> [String] { reply.entitlements.map(\.item.folder) }

    @Test func pagesHoldWholeProducts() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        for number in 1...7 {
            for version in ["1", "2"] { try await harness.content("tool\(number)", version) }
            try await harness.grant(acme, "tool\(number)")
        }
        // Neither takes a place on a page: nothing published, and nothing left to order.
        _ = try await harness.operators.send(ContentWithdraw(product: ProductName("tool2"), version: nil))
        try await harness.content("once", "1")
        try await harness.grant(acme, "once", orderLimit: 1)
        _ = try await harness.order(acme, [Item(product: ProductName("once"), version: VersionName("1"))])

        var pages: [[String]] = []
        var after: Item?
        while true {
            let page = try await harness.web.catalogue(of: acme, after: after, products: 4)
            #expect(page.products == 6)
            pages.append(folders(page))
            after = page.entitlements.last?.item
            guard page.more else { break }
        }
        #expect(
            pages == [
                ["tool1-2", "tool1-1", "tool3-2", "tool3-1", "tool4-2", "tool4-1", "tool5-2", "tool5-1"],
                ["tool6-2", "tool6-1", "tool7-2", "tool7-1"],
            ])
        // A page that is full for another reason goes on in the middle of a product.
        let cut = try await harness.web.send(AuthEntitlements(customer: acme, products: 4, limit: 3))
        #expect(folders(cut) == ["tool1-2", "tool1-1", "tool3-2"] && cut.more)
        let next = try await harness.web.send(
            AuthEntitlements(customer: acme, after: cut.entitlements.last?.item, products: 2, limit: 3))
        #expect(folders(next) == ["tool3-1", "tool4-2", "tool4-1"] && next.more)
        #expect(try await harness.web.entitlements(of: acme).count == 12)
    }

    @Test func searchFindsEveryWordInWhateverCase() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        for (product, title) in [("viewer", "Öl 100% Viewer"), ("editor", "Text_Editor"), ("other", "Öl Other")] {
            try await harness.content(product, "1.0")
            try await harness.content(product, "2.0")
            _ = try await harness.operators.send(
                ProductUpdate(product: ProductName(product), title: title, summary: "For \(product) people"))
            try await harness.grant(acme, product)
        }
        for (search, expected) in [
            ("VIEW", ["viewer-2.0", "viewer-1.0"]), ("view 1.0", ["viewer-1.0"]),
            ("öl", ["other-2.0", "other-1.0", "viewer-2.0", "viewer-1.0"]),
            ("  ÖL   viewer  2.", ["viewer-2.0"]), ("100%", ["viewer-2.0", "viewer-1.0"]), ("0%1", []),
            ("t_e", ["editor-2.0", "editor-1.0"]), ("r_o", []), ("\\", []),
            ("people editor", ["editor-2.0", "editor-1.0"]),
            ("' OR 1 --", []),
        ] {
            let page = try await harness.web.catalogue(of: acme, search: search, products: 50)
            #expect(folders(page) == expected, "\(search)")
            #expect(page.products == Set(expected.map { $0.prefix(5) }).count, "\(search)")
        }
    }

    @Test func certainItemsInOneQuestion() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        let tool = try await harness.content("tool", "1")
        let once = try await harness.content("once", "1")
        let secret = try await harness.content("secret", "1")
        try await harness.grant(acme, "tool", until: harness.clock.now + 100)
        try await harness.grant(acme, "once", orderLimit: 1)
        // The earliest end holds for the whole order.
        let later = try await harness.content("later", "1")
        try await harness.grant(acme, "later", until: harness.clock.now + 900)
        let both = try await harness.order(acme, [later, tool])
        #expect(both.until == harness.clock.now + 100)
        let order = try await harness.order(acme, [tool, once])
        #expect(try await harness.web.entitlements(of: acme, items: [secret, tool, once]).map(\.item) == [tool])
        // Who holds the account that used up the limit may go on having it.
        let held = try await harness.web.entitlements(of: acme, items: [tool, once], holding: order.order)
        #expect(held.map(\.item) == [tool, once])
        #expect(held.map(\.until) == [harness.clock.now + 100, nil])
    }

    /// Whatever is asked about one customer, product or order, SQLite finds by an index and in order: it neither looks
    /// at everybody's rows nor sorts them.
    @Test func questionsAboutOneGoByIndexes() throws {
        let queue = try DatabaseQueue()
        try MasterSchema.migrator.migrate(queue)
        let statements = Mutex<[String]>([])
        let acme = try CustomerName("acme")
        let item = Item(product: try ProductName("tool"), version: try VersionName("1"))
        let now = Timestamp(seconds: 1_800_000_000)
        try queue.write { handle in
            let db = SQLiteTransaction(db: handle)
            try db.insert(
                NewCustomer(customer: acme, displayName: "A", expires: nil, password: nil, created: now))
            try db.upsert(item.product, title: nil, summary: nil, at: now)
            try db.publish(item, manifest: digest("tool", "1", 0), size: 1, files: 1, released: now)
            _ = try db.insert(EntitlementGrant(customer: acme, product: item.product), from: now)
            handle.trace { event in
                if case .statement(let statement) = event { statements.withLock { $0.append(statement.expandedSQL) } }
            }
            let selection = OfferSelection(customer: acme, now: now, search: "tool")
            #expect(try db.offers(selection, after: nil, products: 3, limit: 10).count == 1)
            #expect(try db.offers(selection, after: item, products: nil, limit: 10).isEmpty)
            #expect(try db.productCount(selection) == 1)
            #expect(try db.offer(of: item, to: acme, at: now, holding: nil) != nil)
            for standingAt in [nil, now] {
                _ = try db.entitlements(of: acme, to: nil, standingAt: standingAt, after: 0, limit: 9)
                _ = try db.entitlements(of: acme, to: item.product, standingAt: standingAt, after: 0, limit: 9)
                _ = try db.entitlements(of: nil, to: item.product, standingAt: standingAt, after: 0, limit: 9)
            }
            _ = try db.entitlements(of: nil, to: nil, standingAt: nil, after: 7, limit: 9)
            _ = try db.orders(of: acme, after: nil, limit: 9)
            _ = try db.orders(of: acme, after: 7, limit: 9)
            _ = try db.orders(of: nil, after: 7, limit: 9)
            _ = try db.versions(of: item.product, after: nil, limit: 9)
            _ = try db.versions(of: item.product, after: item, limit: 9)
            _ = try db.versions(of: nil, after: item, limit: 9)
            _ = try db.customers(after: acme, limit: 9)
            handle.trace(options: [])
            let asked = statements.withLock { $0 }.filter { $0.hasPrefix("SELECT") || $0.hasPrefix("WITH") }
            #expect(asked.count > 20)
            for statement in asked {
                let steps = try Row.fetchAll(handle, sql: "EXPLAIN QUERY PLAN " + statement)
                    .compactMap { $0["detail"] as String? }
                let scans = steps.filter { step in
                    ["e", "v", "p", "c", "i", "orders", "customers", "entitlements"].contains {
                        step == "SCAN \($0)" || step.hasPrefix("SCAN \($0) ")
                    }
                }
                #expect(scans.isEmpty, "\(statement): \(steps)")
                // One customer's few grants may be sorted; one product's may be everybody's.
                if !statement.contains("customer = '") {
                    #expect(!steps.contains { $0.contains("TEMP B-TREE") }, "\(statement): \(steps)")
                }
            }
        }
    }
}
