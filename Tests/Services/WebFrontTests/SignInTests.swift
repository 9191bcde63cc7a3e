import FFSModel
import Testing

@testable import WebFront

@Suite struct SignInTests {
    @Test func signsInAndOut() async throws {
        let site = try Site()
        let browser = Browser(site)
        let form = await browser.get("/sign-in")
        #expect(form.status == 200)
        #expect(form.header("set-cookie")?.contains("__Host-ffs=") == true)
        let done = await browser.signIn()
        #expect(done.status == 303)
        #expect(done.header("location") == "/")
        #expect(await browser.get("/").status == 200)
        let out = await browser.post("/sign-out", [], from: "/")
        #expect(out.header("set-cookie")?.contains("Max-Age=0") == true)
        #expect(await browser.get("/").header("location")?.hasPrefix("/sign-in") == true)
    }

    @Test func cookieIsForThisHostOverTLSAlone() async throws {
        let site = try Site()
        let cookie = try #require(await Browser(site).get("/sign-in").header("set-cookie"))
        #expect(cookie.hasPrefix("__Host-ffs="))
        for attribute in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict"] {
            #expect(cookie.contains(attribute))
        }
        #expect(!cookie.contains("Domain"))
        let plain = try #require(await Browser(site, secure: false).get("/sign-in").header("set-cookie"))
        #expect(plain.hasPrefix("ffs="))
        #expect(!plain.contains("Secure"))
    }

    @Test func signingInChangesTheToken() async throws {
        let site = try Site()
        let browser = Browser(site)
        _ = await browser.get("/sign-in")
        let before = browser.cookies["__Host-ffs"]
        await browser.signIn()
        let after = browser.cookies["__Host-ffs"]
        #expect(before != nil && after != nil && before != after)
        // The token from before opens nothing.
        let thief = Browser(site)
        thief.cookies = ["__Host-ffs": before ?? ""]
        #expect(await thief.get("/").status == 303)
    }

    @Test(arguments: [("acme", "wrong"), ("nobody", "correct horse"), ("no such name!", "x"), ("acme", ""), ("", "")])
    func refusesUniformly(customer: String, password: String) async throws {
        let site = try Site()
        let response = await Browser(site).signIn(customer, password)
        #expect(response.status == 403)
        #expect(response.text.contains("The name or the password is not right."))
        #expect(site.front.sessions.count == 0)
    }

    @Test func boundsAttemptsOfOneSource() async throws {
        let site = try Site(["web.sign-in-rate": "3"])
        let browser = Browser(site)
        for _ in 0..<3 { #expect(await browser.signIn("acme", "wrong").status == 403) }
        let refused = await browser.signIn()
        #expect(refused.status == 429)
        #expect(refused.header("retry-after") == "20")
        #expect(site.services.with { $0.logins } == 3)
        // Another source is not held back, and time heals.
        #expect(await Browser(site, address: "192.0.2.8").signIn().status == 303)
        site.pass(20)
        #expect(await browser.signIn().status == 303)
    }

    @Test func sessionsEndWhenIdleAndInAnyCase() async throws {
        let site = try Site(["web.session-idle": "100", "web.session-lifetime": "300"])
        let browser = Browser(site)
        await browser.signIn()
        site.pass(99)
        #expect(await browser.get("/").status == 200)
        site.pass(100)
        #expect(await browser.get("/").header("location") == "/sign-in?ended")
        await browser.signIn()
        for _ in 0..<3 {
            site.pass(99)
            #expect(await browser.get("/").status == 200)
        }
        site.pass(3)
        #expect(await browser.get("/").status == 303)
        #expect(site.front.sessions.count == 0)
    }

    @Test func returnsToThePageThatWasWanted() async throws {
        let site = try Site()
        let browser = Browser(site)
        #expect(await browser.get("/accounts").header("location") == "/sign-in?next=%2Faccounts")
        let token = await browser.get("/sign-in?next=%2Faccounts").formToken
        let fields = [("customer", "acme"), ("password", "correct horse"), ("next", "/accounts")]
        #expect(await browser.post("/sign-in", fields, token: token).header("location") == "/accounts")
    }

    @Test(arguments: [
        "//evil.example/", "https://evil.example/", "/\\evil.example", "/sign-out", "/assets/site.css", "",
    ])
    func goesNowhereElseAfterSigningIn(next: String) async throws {
        let site = try Site()
        let fields = [("customer", "acme"), ("password", "correct horse"), ("next", next)]
        #expect(await Browser(site).post("/sign-in", fields).header("location") == "/")
    }

    @Test func passwordChangeEndsOtherSessionsAndMovesThisOne() async throws {
        let site = try Site()
        let (one, two) = (Browser(site), Browser(site))
        await one.signIn()
        await two.signIn()
        let before = one.cookies["__Host-ffs"]
        let fields = [
            ("password", "correct horse"), ("new-password", "battery staple"), ("repeated", "battery staple"),
        ]
        let done = await one.post("/password", fields, from: "/password")
        #expect(done.status == 303)
        #expect(one.cookies["__Host-ffs"] != before)
        #expect(await one.get("/").text.contains("Your password is changed."))
        #expect(await two.get("/").status == 303)
        #expect(site.services.with { $0.passwords["acme"] } == "battery staple")
    }

    @Test(arguments: [
        ("wrong", "battery staple", "battery staple", "The present password is not right."),
        ("correct horse", "battery staple", "battery stapler", "The two new passwords differ."),
        ("correct horse", "short", "short", "at least 8 characters"),
        ("correct horse", "correct horse", "correct horse", "the present one"),
    ])
    func passwordChangeRefusals(old: String, new: String, repeated: String, words: String) async throws {
        let site = try Site()
        let browser = Browser(site)
        await browser.signIn()
        let response = await browser.post(
            "/password", [("password", old), ("new-password", new), ("repeated", repeated)], from: "/password")
        #expect((400..<500).contains(response.status))
        #expect(response.text.contains(words))
        #expect(site.services.with { $0.passwords["acme"] } == "correct horse")
    }

    /// A reset, a disable, a deletion by the operator, and a change on another web host: all change the generation.
    @Test func aResetEndsEverySession() async throws {
        let site = try Site()
        try site.entitle("tool")
        for target in ["/", "/accounts", "/accounts/{account}", "/accounts/{account}/SHA256SUMS"] {
            site.services.with { $0.generations = [:] }
            let browser = Browser(site)
            await browser.signIn()
            let account = try await browser.stage("tool/1.0")
            // The page of what was just made needs no look at the storage host.
            _ = await browser.get("/accounts/\(account)")
            site.services.with { $0.generations["acme"] = 2 }
            let reply = await browser.get(target.replacing("{account}", with: account))
            #expect(reply.header("location") == "/sign-in?changed", "\(target)")
            let page = await browser.get("/sign-in?changed").text
            #expect(page.contains("Your password or your access has changed since you signed in."))
            #expect(await browser.get("/password").header("location")?.hasPrefix("/sign-in") == true)
        }
        for target in ["/accounts?key=1", "/accounts/{account}/extend", "/accounts/{account}/revoke"] {
            site.services.with { $0.generations = [:] }
            let browser = Browser(site)
            await browser.signIn()
            let account = try await browser.stage("tool/1.0")
            let token = await browser.get("/password").formToken
            let before = site.services.with { $0.picture }
            site.services.with { $0.generations["acme"] = 2 }
            let fields = [("item", "tool/1.0"), ("lifetime", "172800")]
            let reply = await browser.post(
                target.replacing("{account}", with: account), fields, token: token)
            #expect(reply.header("location") == "/sign-in?changed", "\(target)")
            #expect(site.services.with { $0.picture } == before, "\(target)")
        }
    }

    @Test func sessionsOfOneCustomerAreBounded() async throws {
        let site = try Site(["web.sign-in-rate": "1000"])
        let first = Browser(site)
        await first.signIn()
        for _ in 0..<64 {
            site.pass(1)
            await Browser(site).signIn()
        }
        #expect(site.front.sessions.count == 64)
        #expect(await first.get("/").status == 303)
    }

    @Test func fullTableOfSessionsIsBusy() async throws {
        let site = try Site(["web.sessions": "16", "web.sign-in-rate": "1000"])
        site.services.with { state in
            for number in 0..<17 { state.passwords["c\(number)"] = "correct horse" }
        }
        for number in 0..<16 { #expect(await Browser(site).signIn("c\(number)").status == 303) }
        let refused = await Browser(site).signIn("c16")
        #expect(refused.status == 503)
        #expect(refused.header("retry-after") != nil)
    }
}
