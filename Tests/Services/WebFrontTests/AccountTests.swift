import FFSModel
import Requests
import Testing

@testable import WebFront

@Suite struct AccountTests {
    private let password = "w2k7xq4m3n5p6r7s2t3u4v5w6x"

    private func prepared(_ settings: [String: String] = [:]) async throws -> (Site, Browser) {
        let site = try Site(settings, selfSigned: true)
        try site.entitle("tool", "other")
        let browser = Browser(site)
        await browser.signIn()
        return (site, browser)
    }

    @Test func passwordIsShownOnceToItsOwnSession() async throws {
        let (site, browser) = try await prepared()
        let account = try await browser.stage("tool/1.0")
        // Neither another session of the same customer, nor a HEAD, nor a browser that fetches ahead uses it up.
        let second = Browser(site)
        await second.signIn()
        #expect(await second.get("/accounts/\(account)").text.contains(password) == false)
        _ = await browser.send("HEAD", "/accounts/\(account)")
        _ = await browser.send("GET", "/accounts/\(account)", headers: ["sec-purpose": "prefetch"])
        #expect(await browser.get("/accounts/\(account)").text.contains(password))
        #expect(await browser.get("/accounts/\(account)").text.contains(password) == false)
        #expect(await browser.get("/accounts").text.contains(password) == false)
    }

    /// Every look at the page has links that open without the password; what is shown and copied has none.
    @Test func linksOpenWithoutThePassword() async throws {
        let (_, browser) = try await prepared()
        let account = try await browser.stage("tool/1.0")
        for _ in 0..<2 {
            let text = await browser.get("/accounts/\(account)").text
            #expect(text.contains("/a/\(account)/?link=\(signedLink)\" rel=\"noreferrer\""))
            #expect(text.contains("/a/\(account)/tool-1.0/install.sh?link=\(signedLink)\" rel=\"noreferrer\""))
            #expect(text.contains("until <time datetime=\"2025-11-21T18:46:56Z\">21 Nov 2025, 18:46 UTC</time>"))
            let shown = text.matches(of: /data-text="([^"]*)"/).map(\.1)
            #expect(!shown.isEmpty && shown.allSatisfy { !$0.contains("link=") })
            #expect(text.matches(of: /<pre[^>]*>([^<]*)/).allSatisfy { !$0.1.contains("link=") })
        }
    }

    /// Twenty files are in sight; a list of 21 folds its last away, and hides none of a shorter one.
    @Test func longFileListsFold() async throws {
        let (site, browser) = try await prepared()
        let short = try await browser.stage("tool/1.0")
        #expect(await browser.get("/accounts/\(short)").text.contains("class=\"more\"") == false)
        try site.entitle("a", "b", "c", "d", "e", "f", "g")
        let long = try await browser.stage("a/1.0", "b/1.0", "c/1.0", "d/1.0", "e/1.0", "f/1.0", "g/1.0")
        let parts = await browser.get("/accounts/\(long)").text.split(separator: "<summary>1 more file</summary>")
        #expect(parts.map { $0.split(separator: "class=\"amount\">").count - 1 } == [21, 1])
    }

    @Test func pressedTwiceMakesOneAccount() async throws {
        let (site, browser) = try await prepared()
        let token = await browser.get("/").formToken
        let fields = [("item", "tool/1.0"), ("lifetime", "86400")]
        let first = await browser.post("/accounts?key=same", fields, token: token)
        let second = await browser.post("/accounts?key=same", fields, token: token)
        #expect(first.status == 303)
        #expect(first.header("location") == second.header("location"))
        #expect(site.services.with { $0.accounts.count } == 1)
        // Another choice under the same key is another wish.
        let third = await browser.post("/accounts?key=same", [("item", "other/1.0")], token: token)
        #expect(third.header("location") != first.header("location"))
    }

    @Test func lifetimeNeverPassesTheEntitlement() async throws {
        let (site, browser) = try await prepared()
        let now = site.front.clocks.now()
        site.services.with { $0.until = now + 5_000 }
        let account = try AccountID(try await browser.stage("tool/1.0"))
        #expect(site.services.with { $0.accounts[account]?.expires } == now + 5_000)
        site.services.with { $0.until = now }
        #expect(await browser.post("/accounts?key=late", [("item", "tool/1.0")], from: "/").status == 403)
    }

    @Test func extendsUpToTheEntitlement() async throws {
        let (site, browser) = try await prepared()
        let account = try AccountID(try await browser.stage("tool/1.0"))
        site.pass(1_000)
        let now = site.front.clocks.now()
        let fields = [("lifetime", "259200")]
        #expect(await browser.post("/accounts/\(account)/extend", fields, from: "/").status == 303)
        #expect(site.services.with { $0.accounts[account]?.expires } == now + 259_200)
        #expect(await browser.get("/accounts/\(account)").text.contains("lives longer now"))
        site.services.with { $0.entitlements = $0.entitlements.filter { $0.item.product.text != "tool" } }
        #expect(await browser.post("/accounts/\(account)/extend", fields, from: "/").status == 403)
        #expect(site.services.with { $0.accounts[account]?.expires } == now + 259_200)
    }

    /// An account of several products ends with the first of them.
    @Test func extendsToTheEarliestEnd() async throws {
        let (site, browser) = try await prepared()
        let now = site.front.clocks.now()
        let account = try AccountID(try await browser.stage("tool/1.0", "other/1.0"))
        let ends = ["tool": now + 200_000, "other": now + 150_000]
        site.services.with { $0.entitlements = $0.entitlements.map { $0.ending(ends[$0.item.product.text]) } }
        let fields = [("lifetime", "259200")]
        #expect(await browser.post("/accounts/\(account)/extend", fields, from: "/").status == 303)
        #expect(site.services.with { $0.accounts[account]?.expires } == now + 150_000)
    }

    /// The page after an order or an extension is made from the reply that there is.
    @Test func oneClickAsksTheStorageHostOnce() async throws {
        let (site, browser) = try await prepared()
        let account = try await browser.stage("tool/1.0")
        #expect(await browser.get("/accounts/\(account)").text.contains(password))
        #expect(site.services.with { $0.asked["stage.status"] } == nil)
        #expect(await browser.get("/accounts/\(account)").status == 200)
        #expect(site.services.with { $0.asked["stage.status"] } == 1)
        // Another session, and one that comes late, get the account as it is.
        _ = await browser.post("/accounts/\(account)/extend", [("lifetime", "86400")], from: "/")
        site.pass(30)
        _ = await browser.get("/accounts/\(account)")
        #expect(site.services.with { $0.asked["stage.status"] } == 3)
    }

    @Test func revokes() async throws {
        let (site, browser) = try await prepared()
        let account = try await browser.stage("tool/1.0")
        #expect(await browser.get("/accounts").text.contains(account))
        #expect(await browser.post("/accounts/\(account)/revoke", [], from: "/").header("location") == "/accounts")
        #expect(site.services.with { $0.accounts.isEmpty })
        #expect(await browser.get("/accounts").text.contains("is revoked"))
        let gone = await browser.get("/accounts/\(account)")
        #expect(gone.status == 410)
        #expect(gone.text.contains("This account has ended"))
    }

    @Test func pageHasLinksCommandsAndChecksums() async throws {
        let (_, browser) = try await prepared()
        let account = try await browser.stage("tool/1.0")
        let text = await browser.get("/accounts/\(account)").text
        #expect(text.contains("href=\"https://downloads.example:8443/a/\(account)/?link=\(signedLink)\""))
        #expect(text.contains("href=\"ftp://\(account)@downloads.example/\""))
        #expect(!text.contains("ftps://"))
        #expect(text.contains("/a/\(account)/tool-1.0/data/part%20one%20%26%20two.bin"))
        #expect(text.contains("--cacert ffs-certificate.pem"))
        #expect(text.contains("href=\"/accounts/\(account)/certificate.pem\""))
        #expect(await browser.get("/accounts/\(account)/certificate.pem").text == "PEM\n")
        #expect(text.contains("data-expires=\"20"))
        let sums = await browser.get("/accounts/\(account)/SHA256SUMS")
        #expect(sums.text.split(separator: "\n").count == 3)
        #expect(
            sums.text.hasPrefix("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f  tool-1.0/install.sh")
        )
    }

    @Test func implicitFTPSIsLinkedWhereItIsOpen() async throws {
        let (_, browser) = try await prepared(["ftp.implicit-port": "990", "ftp.https-port": "0"])
        let account = try await browser.stage("tool/1.0")
        let text = await browser.get("/accounts/\(account)").text
        #expect(text.contains("href=\"ftps://\(account)@downloads.example/\""))
        #expect(!text.contains("https://downloads"))
    }

    /// The count is that of all, and every one of them is on some page, newest first.
    @Test func accountsComeInPages() async throws {
        let (site, browser) = try await prepared()
        let first = try AccountID(try await browser.stage("tool/1.0"))
        try site.services.with { state in
            let model = try #require(state.accounts[first])
            for number in 1_000..<3_500 {
                let digits = String(number).utf8.map { UnicodeScalar($0 - UInt8(ascii: "0") + UInt8(ascii: "a")) }
                let id = try AccountID("aaaaaaaaaaaa" + String(String.UnicodeScalarView(digits)))
                state.accounts[id] = model.renamed(id, created: model.created + Int64(number))
            }
        }
        var (target, seen, pages): (String?, [String], Int) = ("/accounts", [], 0)
        while let next = target, pages < 100 {
            let text = await browser.get(next).text
            #expect(text.contains("2,501 active accounts"))
            seen += text.matches(of: /<h2><a href="\/accounts\/([a-z2-7]+)">/).map { String($0.1) }
            target = text.firstMatch(of: /href="(\/accounts\?after=[^"]+)"/).map { String($0.1) }
            pages += 1
        }
        #expect(pages == 51 && seen.count == 2_501 && Set(seen).count == 2_501)
        #expect(seen.last == first.text)
        #expect(await browser.get("/accounts?after=nonsense").status == 200)
    }

    @Test func listsManyAccounts() async throws {
        let (_, browser) = try await prepared()
        for number in 0..<3 { _ = await browser.post("/accounts?key=\(number)", [("item", "tool/1.0")], from: "/") }
        #expect(await browser.get("/accounts").text.contains("3 active accounts"))
    }
}

@Suite struct DownloadCommandTests {
    private static var digest: ContentDigest {
        get throws { try #require(ContentDigest(bytes: (0..<32).map { UInt8($0) })) }
    }

    private func commands(
        _ settings: [String: String] = [:], password: String? = "secret", trust: Bool = false,
        files: [String]? = ["a b/it's.txt", "$(reboot)`x`;\"q\".bin"]
    ) throws -> [String: String] {
        let commands = DownloadCommands(
            account: try AccountID("abc"), password: password, places: try Site(settings).front.settings.places,
            trust: trust,
            files: try files?.map { try StagedFile(path: RelativePath($0), size: 7, digest: Self.digest) })
        return Dictionary(uniqueKeysWithValues: commands.downloads.map { ($0.tool, $0.command) })
    }

    @Test func aQuoteWithACombiningMarkIsAQuote() throws {
        let curl = try #require(try commands(files: ["x'\u{301};id;'\u{301}"])["curl"])
        #expect(curl.utf8Contains("--output 'ffs-abc/x'\\''\u{301};id;'\\''\u{301}' \\\n  https"))
    }

    @Test func namesAreQuotedForTheShell() throws {
        let curl = try #require(try commands()["curl"])
        #expect(
            curl.contains(
                "--output 'ffs-abc/a b/it'\\''s.txt' \\\n  https://downloads.example:8443/a/abc/a%20b/it%27s.txt"))
        #expect(curl.contains(#"--output 'ffs-abc/$(reboot)`x`;"q".bin'"#))
        #expect(curl.contains("/%24%28reboot%29%60x%60%3B%22q%22.bin"))
        #expect(curl.contains("--output ffs-abc/SHA256SUMS"))
    }

    @Test func askForThePasswordWithoutIt() throws {
        let all = try commands(password: nil)
        #expect(all["curl"]?.contains("--user abc ") == true)
        #expect(all["wget"]?.contains("--ask-password") == true)
        #expect(all["lftp"]?.contains("open -u abc ftp://downloads.example/") == true)
    }

    @Test func tellToolsOfASelfSignedCertificate() throws {
        for (tool, option) in [
            ("curl", "--cacert ffs-certificate.pem"), ("wget", "--ca-certificate=ffs-certificate.pem"),
            ("lftp", "set ssl:ca-file ffs-certificate.pem"),
        ] {
            #expect(try commands(trust: true)[tool]?.contains(option) == true)
            #expect(try commands()[tool]?.contains("certificate") == false)
        }
    }

    @Test func insistOnTLSOverFTP() throws {
        let all = try commands(["ftp.https-port": "0"])
        #expect(all["curl"]?.contains("--ssl-reqd") == true)
        #expect(all["wget"]?.contains("ftps://downloads.example/") == true)
        #expect(all["lftp"]?.contains("ftp:ssl-force true") == true)
        let off = try commands(["ftp.https-port": "0", "ftp.tls-control": "off"])
        #expect(off["curl"]?.contains("--ssl-reqd") == false)
        #expect(off["wget"]?.contains(" ftp://downloads.example/") == true)
    }

    @Test func areLeftOutWhereNothingListens() throws {
        #expect(try commands(["ftp.https-port": "0", "ftp.port": "0"]).isEmpty)
        #expect(try commands(["ftp.port": "0"]).keys.sorted() == ["curl", "wget"])
    }

    @Test func anAccountOfManyFilesIsNotSpelledOut() throws {
        let curl = try #require(try commands(files: nil)["curl"])
        #expect(curl.components("--output").count == 2)
    }

    @Test func bracketsForIPv6() throws {
        #expect(
            try commands(["ftp.public-host": "2001:db8::1"])["curl"]?.contains("https://[2001:db8::1]:8443/") == true)
    }
}
