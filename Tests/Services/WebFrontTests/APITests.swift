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

    private func signedIn(_ site: Site) async throws -> Program {
        var program = Program(browser: Browser(site))
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
        let third = await program.call("POST", "/accounts", order)
        #expect(try field(first, "account") != field(third, "account"))
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
