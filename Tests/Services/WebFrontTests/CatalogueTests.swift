import FFSModel
import Requests
import Testing

@testable import WebFront

@Suite struct CatalogueTests {
    private func entitlement(
        _ product: String, _ version: String, released: Int64, until: Timestamp? = nil, title: String? = nil
    ) throws -> Entitlement {
        Entitlement(
            item: Item(product: try ProductName(product), version: try VersionName(version)),
            title: title ?? "Title of \(product)", summary: "Summary of \(product)", size: 3 << 30, files: 2_000,
            released: Timestamp(seconds: released), until: until, policy: .finish)
    }

    @Test func groupsVersionsNewestFirst() async throws {
        let site = try Site()
        let all = [
            try entitlement("beta", "1", released: 100), try entitlement("alpha", "1", released: 100),
            try entitlement("alpha", "2", released: 200),
        ]
        site.services.with { $0.entitlements = all }
        let browser = Browser(site)
        await browser.signIn()
        let text = await browser.get("/").text
        let order = ["alpha/2", "alpha/1", "beta/1"].compactMap { text.range("value=\"\($0)\"") }
        #expect(order.count == 3 && order == order.sorted())
        #expect(text.components("<section class=\"card product\"").count == 3)
        #expect(text.components(">Newest<").count == 3)
        #expect(text.contains("3 GiB, 2,000 files"))
    }

    @Test func longHistoryFoldsAway() async throws {
        let site = try Site()
        let all = try (1...9).map { try entitlement("alpha", "\($0)", released: Int64($0)) }
        site.services.with { $0.entitlements = all }
        let browser = Browser(site)
        await browser.signIn()
        #expect(await browser.get("/").text.contains("<summary>7 earlier versions</summary>"))
        #expect(await browser.get("/").text.contains("<details class=\"older\">"))
        // Open where something in it is chosen or searched for.
        #expect(await browser.get("/?item=alpha%2F1").text.contains("<details class=\"older\" open>"))
        #expect(await browser.get("/?q=alpha").text.contains("<details class=\"older\" open>"))
    }

    @Test func longCatalogueShowsTheNewestOfEachInOrder() async throws {
        let site = try Site()
        let all = try (1...13).flatMap { number in
            try ["1", "2"].map { version in
                try entitlement("p\(number)", version, released: Int64(version) ?? 0, title: "Product \(number)")
            }
        }
        site.services.with { $0.entitlements = all }
        let browser = Browser(site)
        await browser.signIn()
        let text = await browser.get("/").text
        #expect(text.components("<summary>1 earlier version</summary>").count == 14)
        let order = ["p1/2", "p10/2", "p13/2", "p2/2", "p9/2"].compactMap { text.range("value=\"\($0)\"") }
        #expect(order.count == 5 && order == order.sorted())
    }

    @Test func searchesAndKeepsWhatIsChosen() async throws {
        let site = try Site()
        try site.entitle("hammer", "saw", "drill")
        let browser = Browser(site)
        await browser.signIn()
        let found = await browser.get("/?q=HAM+the&item=saw%2F1.0").text
        #expect(found.contains("value=\"hammer/1.0\""))
        #expect(found.contains("value=\"saw/1.0\" data-bytes=\"5000000000\" checked"))
        #expect(!found.contains("value=\"drill/1.0\""))
        #expect(await browser.get("/?q=nothing").text.contains("Nothing matches “nothing”"))
    }

    /// 5,000 products: a page is small, says how many there are, and leads on with what was ticked.
    @Test func longCatalogueComesInPages() async throws {
        let site = try Site()
        let all = try (1_000..<6_000).map { try entitlement("p\($0)", "1", released: 1) }
        site.services.with { $0.entitlements = all }
        let browser = Browser(site)
        await browser.signIn()
        let first = await browser.get("/")
        #expect(first.body.count < 100_000)
        #expect(first.text.contains("5,000 products"))
        #expect(first.text.components("<section class=\"card product\"").count == 51)
        #expect(first.text.contains("<button class=\"button plain\" name=\"after\" value=\"p1049/1\">"))
        let second = await browser.get("/?item=p1003%2F1&after=p1049%2F1").text
        #expect(second.components("<section class=\"card product\"").count == 52)
        #expect(second.contains("value=\"p1003/1\" data-bytes=\"3221225472\" checked"))
        #expect(second.contains("value=\"p1050/1\"") && !second.contains("value=\"p1049/1\""))
        let last = await browser.get("/?after=p5998%2F1").text
        #expect(last.contains("value=\"p5999/1\"") && !last.contains("name=\"after\""))
        let found = await browser.get("/?q=p59+title").text
        #expect(found.contains("100 products found.") && found.contains("value=\"p5900/1\""))
        #expect(found.contains("name=\"q\" value=\"p59 title\""))
        #expect(await browser.get("/?after=nonsense&q=%01%02").status == 200)
        // The ticks of other pages are ordered with those of this one.
        let fields = [("item", "p1003/1"), ("item", "p5999/1"), ("lifetime", "86400")]
        #expect(await browser.post("/accounts?key=1", fields, from: "/").status == 303)
        #expect(site.services.with { $0.orders.last?.items.count } == 2)
    }

    /// "First page" is a button of the form, as "Next page" is: what is ticked comes along.
    @Test func theFirstPageKeepsWhatIsChosen() async throws {
        let site = try Site()
        let all = try (1_000..<1_060).map { try entitlement("p\($0)", "1", released: 1) }
        site.services.with { $0.entitlements = all }
        let browser = Browser(site)
        await browser.signIn()
        let second = await browser.get("/?after=p1049%2F1").text
        #expect(second.contains("<button class=\"button plain\">First page</button>"))
        #expect(!second.contains("href=\"/\">First"))
        // What that button sends.
        let first = await browser.get("/?q=&item=p1055%2F1&lifetime=86400").text
        #expect(
            first.contains("value=\"p1000/1\"") && first.contains("value=\"p1055/1\" data-bytes=\"3221225472\" checked")
        )
    }

    /// An order whose staging failed has used its limit up; the same choice goes on with it, so the page offers it.
    @Test func whatAFailedStagingHoldsIsOffered() async throws {
        let site = try Site()
        var held = try entitlement("held", "1", released: 1)
        held.isHeld = true
        let all = [held, try entitlement("free", "1", released: 1)]
        site.services.with { $0.entitlements = all }
        let browser = Browser(site)
        await browser.signIn()
        let text = await browser.get("/").text
        #expect(text.contains("value=\"held/1\"") && text.contains("value=\"free/1\""))
        #expect(text.components(">Ordered</span>").count == 2)
        #expect(await browser.post("/accounts?key=1", [("item", "held/1")], from: "/").status == 303)
    }

    /// A page that is gone back to after its account was revoked carries that order's key.
    @Test func aStaleKeySaysWhatToDoAndBringsAnother() async throws {
        let site = try Site()
        try site.entitle("tool")
        let browser = Browser(site)
        await browser.signIn()
        let fields = [("item", "tool/1.0"), ("lifetime", "86400")]
        let made = await browser.post("/accounts?key=1", fields, from: "/")
        let account = try #require(made.header("location"))
        _ = await browser.post("\(account)/revoke", [], from: "/")
        let stale = await browser.post("/accounts?key=1", fields, from: "/")
        #expect(stale.status == 410)
        #expect(stale.text.contains("The account that you ordered from this page has ended."))
        #expect(stale.text.contains("value=\"tool/1.0\" data-bytes=\"5000000000\" checked"))
        let rest = try #require(stale.text.components("formaction=\"/accounts?key=").dropFirst().first)
        let key = rest.prefix { $0 != "\"" }
        #expect(key != "1")
        #expect(await browser.post("/accounts?key=\(key)", fields, from: "/").status == 303)
    }

    @Test func emptyCatalogueSaysSo() async throws {
        let site = try Site()
        let browser = Browser(site)
        await browser.signIn()
        let text = await browser.get("/").text
        #expect(text.contains("Nothing here yet"))
        #expect(!text.contains("Get downloads"))
    }

    @Test func warnsOfAnEndThatIsNear() async throws {
        let site = try Site()
        let now = site.front.clocks.now()
        let all = [
            try entitlement("near", "1", released: 1, until: now + 86_400),
            try entitlement("far", "1", released: 1, until: now + 90 * 86_400),
        ]
        site.services.with { $0.entitlements = all }
        let browser = Browser(site)
        await browser.signIn()
        #expect(await browser.get("/").text.components("tag warn").count == 2)
    }

    @Test func choosingNothingOrNonsenseSaysSo() async throws {
        let site = try Site()
        try site.entitle("tool")
        let browser = Browser(site)
        await browser.signIn()
        let none = await browser.post("/accounts?key=1", [("lifetime", "86400")], from: "/")
        #expect(none.status == 422)
        #expect(none.text.contains("Choose at least one product."))
        for item in ["tool", "tool/1.0/x", "../1.0", "tool/..", "tool/1.0\r\nx", ""] {
            #expect(await browser.post("/accounts?key=2", [("item", item)], from: "/").status == 422, "\(item)")
        }
        for lifetime in ["1", "999999999", "-5"] {
            let fields = [("item", "tool/1.0"), ("lifetime", lifetime)]
            #expect(await browser.post("/accounts?key=3", fields, from: "/").status == 422)
        }
        #expect(site.services.with { $0.orders.isEmpty })
    }

    @Test func whatIsNotEntitledIsRefusedWhole() async throws {
        let site = try Site()
        try site.entitle("tool")
        let browser = Browser(site)
        await browser.signIn()
        let fields = [("item", "tool/1.0"), ("item", "other/1.0")]
        #expect(await browser.post("/accounts?key=1", fields, from: "/").status == 403)
        #expect(site.services.with { $0.accounts.isEmpty })
    }
}
