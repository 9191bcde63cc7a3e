import FFSModel
import FoundationEssentials
import Requests
import Testing

@testable import WebFront

@Suite struct APITests {
    /// A program: no cookies, a bearer token.
    private struct Program {
        let browser: Browser
        var token = ""

        func call(
            _ method: String, _ path: String, _ body: String = "", headers: [String: String] = [:]
        ) async -> WebResponse {
            var all = ["content-type": "application/json"].merging(headers) { $1 }
            if !token.isEmpty { all["authorization"] = "Bearer \(token)" }
            return await browser.send(method, "/api/v1\(path)", headers: all, body: body)
        }
    }

    private func field(_ response: WebResponse, _ name: String) throws -> String {
        let object = try JSONDecoder().decode([String: Loose].self, from: Data(response.body))
        return try #require(object[name]?.text, "\(response.text)")
    }

    /// Any JSON value; its text when it is one.
    private struct Loose: Decodable {
        let text: String?

        init(from decoder: any Decoder) throws { text = try? decoder.singleValueContainer().decode(String.self) }
    }

    private func signedIn(_ site: Site, address: String = "192.0.2.7") async throws -> Program {
        var program = Program(browser: Browser(site, address: address))
        let reply = await program.call("POST", "/sessions", #"{"customer":"acme","password":"correct horse"}"#)
        #expect(reply.status == 201)
        program.token = try field(reply, "token")
        return program
    }

    @Test func wholeLifeOfAnAccount() async throws {
        let site = try Site()
        try site.entitle("tool")
        let program = try await signedIn(site)
        let list = await program.call("GET", "/entitlements")
        #expect(list.text.contains(#""product":"tool""#))
        let made = await program.call(
            "POST", "/accounts", #"{"items":[{"product":"tool","version":"1.0"}],"lifetime":7200}"#)
        #expect(made.status == 201)
        let account = try field(made, "account")
        #expect(made.header("location") == "/api/v1/accounts/\(account)")
        #expect(try field(made, "password") == "w2k7xq4m3n5p6r7s2t3u4v5w6x")
        #expect(made.text.contains(#""https":"https://downloads.example:8443/a/\#(account)/""#))
        let shown = await program.call("GET", "/accounts/\(account)")
        #expect(shown.status == 200)
        #expect(!shown.text.contains("password\""))
        #expect(await program.call("GET", "/accounts").text.contains(account))
        let longer = await program.call("POST", "/accounts/\(account)/extend", #"{"lifetime":86400}"#)
        #expect(try field(longer, "expires") == "\(site.front.clocks.now() + 86_400)")
        #expect(await program.call("DELETE", "/accounts/\(account)").status == 204)
        #expect(await program.call("GET", "/accounts/\(account)").status == 410)
        #expect(await program.call("DELETE", "/sessions/current").status == 204)
        #expect(await program.call("GET", "/accounts").status == 401)
    }

    /// A program follows `next` through the whole of it, each thing once.
    @Test func entitlementsComeInPages() async throws {
        struct Page: Decodable {
            struct Row: Decodable { let product: String }
            let products: Int
            let next: String?
            let entitlements: [Row]
        }
        let site = try Site()
        for number in 1_000..<1_250 { try site.entitle("p\(number)") }
        let program = try await signedIn(site)
        var (seen, pages, cursor): ([String], Int, String?) = ([], 0, nil)
        repeat {
            let reply = await program.call(
                "GET", "/entitlements\(cursor.map { "?after=\(Escaping.urlQuery($0))" } ?? "")")
            let page = try JSONDecoder().decode(Page.self, from: Data(reply.body))
            #expect(page.products == 250)
            seen += page.entitlements.map(\.product)
            (pages, cursor) = (pages + 1, page.next)
        } while cursor != nil && pages < 10
        #expect(pages == 3 && seen == (1_000..<1_250).map { "p\($0)" })
        #expect(await program.call("GET", "/entitlements?search=P1042").text.contains("\"products\":1"))
        #expect(await program.call("GET", "/entitlements?after=x").status == 400)
    }

    @Test func sameKeySameAccount() async throws {
        let site = try Site()
        try site.entitle("tool")
        let program = try await signedIn(site)
        let order = #"{"items":[{"product":"tool","version":"1.0"}]}"#
        let key = ["idempotency-key": "abc"]
        let first = await program.call("POST", "/accounts", order, headers: key)
        let second = await program.call("POST", "/accounts", order, headers: key)
        #expect(try field(first, "account") == field(second, "account"))
        #expect(try field(first, "password") == field(second, "password"))
        // The same key with another body is a mistake, and orders nothing.
        try site.entitle("other")
        let orders = site.services.with { $0.orders.count }
        for body in [
            #"{"items":[{"product":"other","version":"1.0"}]}"#,
            #"{"items":[{"product":"tool","version":"1.0"}],"lifetime":7200}"#,
        ] {
            let refused = await program.call("POST", "/accounts", body, headers: key)
            #expect(refused.status == 422)
            #expect(refused.text.contains("A new order needs a new key."))
        }
        #expect(site.services.with { $0.orders.count } == orders)
        // From a new session and another address it is the same order still.
        let moved = try await signedIn(site, address: "198.51.100.4")
        #expect(
            try await field(moved.call("POST", "/accounts", order, headers: key), "account") == field(first, "account"))
        let third = await program.call("POST", "/accounts", order)
        #expect(try field(first, "account") != field(third, "account"))
    }

    @Test func aKeyOfAnEndedAccountSaysWhatToDo() async throws {
        let site = try Site()
        try site.entitle("tool")
        let program = try await signedIn(site)
        let order = #"{"items":[{"product":"tool","version":"1.0"}]}"#
        let first = await program.call("POST", "/accounts", order, headers: ["idempotency-key": "abc"])
        _ = await program.call("DELETE", "/accounts/\(try field(first, "account"))")
        let again = await program.call("POST", "/accounts", order, headers: ["idempotency-key": "abc"])
        #expect(again.status == 410)
        #expect(again.text.contains("A new order needs a new Idempotency-Key."))
        let fresh = await program.call("POST", "/accounts", order, headers: ["idempotency-key": "abcd"])
        #expect(fresh.status == 201)
    }

    /// The time left to the entitlement's end is another at every second; the order is the same.
    @Test func sameKeySameAccountWhereTheEntitlementEnds() async throws {
        let site = try Site()
        try site.entitle("tool")
        let end = site.front.clocks.now() + 5_000
        site.services.with { $0.until = end }
        let program = try await signedIn(site)
        let order = #"{"items":[{"product":"tool","version":"1.0"}]}"#
        let first = await program.call("POST", "/accounts", order, headers: ["idempotency-key": "abc"])
        site.pass(7)
        let second = await program.call("POST", "/accounts", order, headers: ["idempotency-key": "abc"])
        #expect(first.status == 201 && second.status == 201)
        #expect(try field(first, "account") == field(second, "account"))
    }

    /// What was revoked while the storage host was away is not staged by a repeat.
    @Test func aRepeatIsAuthorisedAnew() async throws {
        let site = try Site()
        try site.entitle("tool")
        let program = try await signedIn(site)
        let order = #"{"items":[{"product":"tool","version":"1.0"}]}"#
        let key = ["idempotency-key": "abc"]
        site.services.with { $0.storageOutage = Failure(.unreachable, "away") }
        #expect(await program.call("POST", "/accounts", order, headers: key).status == 503)
        site.services.with {
            $0.storageOutage = nil
            $0.entitlements = []
        }
        #expect(await program.call("POST", "/accounts", order, headers: key).status == 403)
        #expect(site.services.with { $0.accounts.isEmpty })
    }

    @Test func aTokenFromBeforeAResetIsOver() async throws {
        let site = try Site()
        try site.entitle("tool")
        let calls = [
            ("GET", "/entitlements", ""), ("GET", "/accounts", ""), ("GET", "/accounts/k5q2m7x3a4b6caaa", ""),
            ("POST", "/accounts", #"{"items":[{"product":"tool","version":"1.0"}]}"#),
            ("POST", "/accounts/k5q2m7x3a4b6caaa/extend", "{}"), ("DELETE", "/accounts/k5q2m7x3a4b6caaa", ""),
        ]
        for (method, path, body) in calls {
            site.services.with { $0.generations = [:] }
            let program = try await signedIn(site)
            #expect(
                await program.call("POST", "/accounts", #"{"items":[{"product":"tool","version":"1.0"}]}"#).status
                    == 201)
            let before = site.services.with { $0.picture }
            site.services.with { $0.generations["acme"] = 2 }
            let reply = await program.call(method, path, body)
            #expect(reply.status == 401, "\(method) \(path)")
            #expect(reply.text.contains(#""code":"session-ended""#), "\(method) \(path)")
            #expect(site.services.with { $0.picture } == before, "\(method) \(path)")
        }
    }

    @Test func cookieOfABrowserOpensNothing() async throws {
        let site = try Site()
        let browser = Browser(site)
        await browser.signIn()
        let response = await browser.get("/api/v1/accounts")
        #expect(response.status == 401)
        #expect(response.header("www-authenticate")?.hasPrefix("Bearer") == true)
    }

    @Test(arguments: [
        ("POST", "/sessions", "{}"), ("POST", "/sessions", "not json"), ("POST", "/sessions", ""),
        ("POST", "/accounts", #"{"items":"tool"}"#), ("POST", "/accounts", #"{"items":[]}"#),
        ("POST", "/accounts", #"{"items":[{"product":"../x","version":"1"}]}"#),
        ("POST", "/accounts", #"{"items":[{"product":"tool","version":"1.0"}],"lifetime":1}"#),
        ("POST", "/accounts", #"{"items":[{"product":"tool","version":"1.0"},{"product":"tool","version":"1.0"}]}"#),
        ("POST", "/password", #"{"password":"correct horse","newPassword":"short"}"#),
    ])
    func badBodies(method: String, path: String, body: String) async throws {
        let site = try Site()
        try site.entitle("tool")
        let response = await (try await signedIn(site)).call(method, path, body)
        #expect(response.status == 400)
        #expect(response.header("content-type") == "application/json")
        #expect(response.text.contains(#""code":"bad-request""#))
        #expect(site.services.with { $0.orders.isEmpty })
    }

    @Test func otherMediaTypesAreRefused() async throws {
        let site = try Site()
        let program = Program(browser: Browser(site))
        let body = #"{"customer":"acme","password":"correct horse"}"#
        for type in ["text/plain", "application/x-www-form-urlencoded", ""] {
            #expect(await program.call("POST", "/sessions", body, headers: ["content-type": type]).status == 400)
        }
        #expect(site.front.sessions.count == 0)
    }

    @Test func refusalsAreJSON() async throws {
        let site = try Site(["web.sign-in-rate": "2"])
        let program = Program(browser: Browser(site))
        let wrong = #"{"customer":"acme","password":"wrong"}"#
        let refused = await program.call("POST", "/sessions", wrong)
        #expect(refused.status == 401)
        #expect(refused.text.contains(#""code":"login-refused""#))
        _ = await program.call("POST", "/sessions", wrong)
        let late = await program.call("POST", "/sessions", wrong)
        #expect(late.status == 429)
        #expect(late.text.contains(#""retryAfter":30"#))
        #expect(await program.call("GET", "/nowhere").text.contains(#""code":"not-found""#))
        #expect(await program.call("PUT", "/accounts").status == 405)
    }

    @Test func passwordChangeGivesANewToken() async throws {
        let site = try Site()
        var program = try await signedIn(site)
        let other = try await signedIn(site)
        let change = #"{"password":"correct horse","newPassword":"battery staple"}"#
        let done = await program.call("POST", "/password", change)
        #expect(done.status == 200)
        #expect(await program.call("GET", "/accounts").status == 401)
        #expect(await other.call("GET", "/accounts").status == 401)
        program.token = try field(done, "token")
        #expect(await program.call("GET", "/accounts").status == 200)
    }
}
