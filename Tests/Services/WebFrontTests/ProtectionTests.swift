import FFSModel
import Requests
import Testing

@testable import WebFront

/// What keeps other sites, other customers and odd names from doing harm.
@Suite struct ProtectionTests {
    static let forms = ["/sign-in", "/sign-out", "/accounts", "/password"]

    @Test(arguments: forms) func formWithoutTokenIsRefused(target: String) async throws {
        let site = try Site()
        try site.entitle("tool")
        let browser = Browser(site)
        await browser.signIn()
        for token in [nil, "", "00", String(repeating: "0", count: 64)] {
            #expect(await browser.post(target, [("item", "tool/1.0")], token: token).status == 403)
        }
        #expect(site.services.with { $0.orders.isEmpty })
        #expect(await browser.get("/").status == 200)
    }

    /// Every address that takes a form, from the table that the server has: without its token, and with it from
    /// another site, nothing changes.
    @Test func forgedFormsChangeNothing() async throws {
        let forms = Route.all.filter { $0.method == .post && !$0.pattern.utf8.starts(with: "/api/".utf8) }
        #expect(forms.count >= 6)
        for route in forms {
            #expect(route.isForm, "\(route.name)")
            let site = try Site()
            try site.entitle("tool")
            let browser = Browser(site)
            await browser.signIn()
            let account = try await browser.stage("tool/1.0")
            let target = route.pattern.replacing("{account}", with: account)
            let fields = [
                ("item", "tool/1.0"), ("lifetime", "172800"), ("customer", "acme"), ("password", "correct horse"),
                ("new-password", "battery staple"), ("repeated", "battery staple"),
            ]
            let token = try #require(await browser.get("/password").formToken)
            let before = site.services.with { $0.picture }
            let (sessions, cookies) = (site.front.sessions.count, browser.cookies)
            #expect(await browser.post(target, fields, token: nil).status == 403, "\(route.name)")
            let other = String(repeating: "0", count: 64)
            #expect(await browser.post(target, fields, token: other).status == 403, "\(route.name)")
            for origin in ["https://evil.example", "null", "http://web.example"] {
                let foreign = await browser.post(target, fields, token: token, origin: origin)
                #expect(foreign.status == 403, "\(route.name) from \(origin)")
            }
            #expect(site.services.with { $0.picture } == before, "\(route.name)")
            #expect(site.front.sessions.count == sessions && browser.cookies == cookies, "\(route.name)")
            // The same with its token from its own page is no forgery.
            #expect(await browser.post(target, fields, token: token).status != 403, "\(route.name)")
        }
    }

    @Test func tokenOfAnotherSessionIsRefused() async throws {
        let site = try Site()
        let (one, two) = (Browser(site), Browser(site))
        await one.signIn()
        await two.signIn()
        let token = await one.get("/password").formToken
        #expect(await two.post("/sign-out", [], token: token).status == 403)
        #expect(await two.get("/").status == 200)
    }

    @Test(arguments: [
        ["origin": "https://evil.example"], ["origin": "null"], ["origin": "http://web.example"],
        ["origin": "https://web.example.evil.example"], ["sec-fetch-site": "cross-site"],
        ["sec-fetch-site": "same-site"],
    ])
    func formFromAnotherSiteIsRefused(headers: [String: String]) async throws {
        let site = try Site()
        let browser = Browser(site)
        await browser.signIn()
        let token = try #require(await browser.get("/password").formToken)
        let all = headers.merging(["content-type": "application/x-www-form-urlencoded"]) { a, _ in a }
        #expect(await browser.send("POST", "/sign-out", headers: all, body: "csrf=\(token)").status == 403)
        #expect(await browser.get("/").status == 200)
    }

    @Test func everyResponseIsGuarded() async throws {
        let site = try Site()
        try site.entitle("tool")
        let browser = Browser(site)
        await browser.signIn()
        for target in ["/", "/sign-in", "/accounts", "/nowhere", "/assets/site.css", "/api/v1/accounts"] {
            let response = await browser.get(target)
            let policy = try #require(response.header("content-security-policy"))
            #expect(policy.contains("default-src 'none'"))
            #expect(policy.contains("frame-ancestors 'none'"))
            #expect(!policy.contains("unsafe"))
            #expect(response.header("x-content-type-options") == "nosniff")
            #expect(response.header("referrer-policy") == "same-origin")
            #expect(response.header("strict-transport-security") != nil)
            #expect(response.header("cross-origin-opener-policy") == "same-origin")
            let isKept = target.hasPrefix("/assets/")
            #expect(response.header("cache-control")?.contains("no-store") == !isKept)
        }
        #expect(await Browser(site, secure: false).get("/sign-in").header("strict-transport-security") == nil)
    }

    @Test func pagesHaveNoInlineScriptOrStyle() async throws {
        let site = try Site(selfSigned: true)
        try site.entitle("tool")
        let browser = Browser(site)
        await browser.signIn()
        let account = try await browser.stage("tool/1.0")
        for target in ["/", "/accounts", "/accounts/\(account)", "/password", "/nowhere"] {
            let text = await browser.get(target).text
            for mark in ["<style", "style=", "onclick", "onload", "javascript:"] { #expect(!text.contains(mark)) }
            #expect(text.components("<script").count == 2)
            #expect(text.contains("<script src=\"/assets/site.js"))
        }
    }

    /// Names that try to leave their place, and exactly what stands in a page for each.
    @Test(arguments: [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("\"><img src=x onerror=alert(1)>", "&quot;&gt;&lt;img src=x onerror=alert(1)&gt;"),
        ("' onmouseover='alert(1)", "&#39; onmouseover=&#39;alert(1)"),
        ("a & b", "a &amp; b"), ("&quot;x", "&amp;quot;x"),
        // A quote or bracket with a combining mark is one Character that equals neither.
        ("\"\u{301} onfocus=alert(1) x=\"\u{301}", "&quot;\u{301} onfocus=alert(1) x=&quot;\u{301}"),
        ("<\u{338}img>", "&lt;\u{338}img&gt;"), ("'\u{301}", "&#39;\u{301}"),
        ("{{csrf}} {{{csrf}}} {{#products}}", "{{csrf}} {{{csrf}}} {{#products}}"),
    ])
    func namesAreEscapedEverywhere(name: String, escaped: String) async throws {
        let site = try Site(["web.site-name": name, "web.contact": name])
        let item = Item(product: try ProductName("tool"), version: try VersionName("1.0"))
        site.services.with { state in
            state.entitlements = [
                Entitlement(
                    item: item, title: name, summary: name, size: 1, files: 1, released: Timestamp(seconds: 0),
                    until: nil, policy: .finish)
            ]
            state.fileName = name
        }
        let browser = Browser(site)
        await browser.signIn()
        let account = try await browser.stage("tool/1.0")
        let targets = ["/", "/?q=\(Escaping.urlQuery(name))", "/accounts/\(account)", "/nowhere", "/password"]
        for target in targets {
            let text = await browser.get(target).text
            #expect(text.utf8Contains(escaped), "\(target)")
            if name != escaped { #expect(!text.utf8Contains(name), "\(target)") }
        }
        let catalogue = await browser.get("/?q=\(Escaping.urlQuery(name))").text
        #expect(catalogue.utf8Contains("<h2>\(escaped)</h2>"))
        #expect(catalogue.utf8Contains("name=\"q\" value=\"\(escaped)\""))
        let page = await browser.get("/accounts/\(account)").text
        if !name.utf8.contains(UInt8(ascii: "/")) { #expect(page.utf8Contains("<bdi>tool-1.0/\(escaped)</bdi>")) }
        let again = await Browser(site).signIn(name, "x").text
        #expect(again.utf8Contains("name=\"customer\" value=\"\(escaped)\""))
    }

    @Test func anotherCustomersAccountIsNotThere() async throws {
        let site = try Site()
        try site.entitle("tool")
        site.services.with { $0.passwords["rival"] = "correct horse" }
        let (owner, rival) = (Browser(site), Browser(site))
        await owner.signIn()
        await rival.signIn("rival")
        let account = try await owner.stage("tool/1.0")
        #expect(await rival.get("/accounts/\(account)").status == 404)
        #expect(await rival.get("/accounts/\(account)/SHA256SUMS").status == 404)
        #expect(await rival.post("/accounts/\(account)/revoke", [], from: "/").status == 404)
        #expect(await rival.post("/accounts/\(account)/extend", [("lifetime", "86400")], from: "/").status == 404)
        #expect(await rival.get("/accounts").text.contains("No active account"))
        #expect(site.services.with { $0.revoked.isEmpty })
    }

    @Test func theOrderKeyOfAnotherCustomerGivesNothing() async throws {
        let site = try Site()
        try site.entitle("tool")
        site.services.with { $0.passwords["rival"] = "correct horse" }
        let (owner, rival) = (Browser(site), Browser(site))
        await owner.signIn()
        await rival.signIn("rival")
        let fields = [("item", "tool/1.0"), ("lifetime", "86400")]
        let first = await owner.post("/accounts?key=k", fields, from: "/")
        let second = await rival.post("/accounts?key=k", fields, from: "/")
        #expect(first.status == 303 && second.status == 303)
        #expect(first.header("location") != second.header("location"))
    }

    @Test func methodsAndPathsAreChecked() async throws {
        let site = try Site()
        let browser = Browser(site)
        let wrong = await browser.send("POST", "/assets/site.css")
        #expect(wrong.status == 405)
        #expect(wrong.header("allow") == "GET, HEAD")
        #expect(await browser.send("BREW", "/sign-in").status == 405)
        #expect(await browser.send("PUT", "/api/v1/accounts").header("allow") == "GET, HEAD, POST")
        for path in ["/nowhere", "//", "/accounts/..", "/accounts/%2e%2e", "/accounts/ABC", "/sign-in/", "", "*"] {
            #expect(await browser.get(path).status == 404, "\(path)")
        }
        let head = await browser.send("HEAD", "/sign-in")
        #expect(head.status == 200)
        #expect(head.body.isEmpty)
        #expect(head.header("content-length").flatMap { Int($0) } ?? 0 > 500)
    }

    @Test func statusIsForThisMachineAlone() async throws {
        let site = try Site()
        #expect(await Browser(site).get("/status").status == 404)
        let local = await Browser(site, address: "127.0.0.1").get("/status")
        #expect(local.status == 200)
        #expect(local.text.contains("ffsauthd"))
    }

    @Test func failuresShowNoOperatorsText() async throws {
        let site = try Site()
        let browser = Browser(site)
        await browser.signIn()
        let cases: [(Failure, Int)] = [
            (Failure(.unreachable, "secret-detail"), 503), (Failure(.busy, "secret-detail", retryAfter: 7), 503),
            (Failure(.internal, "secret-detail"), 500), (Failure(.noSpace, "secret-detail"), 503),
            (Failure(.corrupt, "secret-detail"), 500), (Failure(.gone, "secret-detail"), 410),
        ]
        for (failure, status) in cases {
            site.services.with { $0.outage = failure }
            let response = await browser.get("/accounts")
            #expect(response.status == status)
            #expect(!response.text.contains("secret-detail"))
            #expect(response.text.contains(try #require(response.header("x-trace"))))
            #expect((response.header("retry-after") != nil) == (status == 503))
        }
        #expect(await browser.get("/password").status == 200)
    }
}

extension Browser {
    /// Chooses `items` in the catalogue; the account's id.
    func stage(_ items: String...) async throws -> String {
        let fields = items.map { ("item", $0) } + [("lifetime", "86400")]
        let response = await post("/accounts?key=\(items.joined())", fields, from: "/")
        let place = try #require(response.header("location"), "\(response.status): \(response.text)")
        return String(place.split(separator: "/").last ?? "")
    }
}

extension String {
    /// By bytes: a combining mark does not hide what stands before it.
    func utf8Contains(_ needle: String) -> Bool { needle.isEmpty || range(needle) != nil }

    /// The parts between occurrences of `mark`.
    func components(_ mark: String) -> [String] {
        var parts: [String] = []
        var rest = self
        while let end = rest.range(mark) {
            parts.append(rest.between("", mark) ?? "")
            rest = String(rest[end...])
        }
        return parts + [rest]
    }
}
