import FoundationEssentials
import TestSupport
import Testing

/// ffswebd as customers and attackers meet it: over real connections.
@Suite(.served, .timeLimit(.minutes(5)))
struct WebTests {
    @Test func customerSignsInOrdersAndSignsOut() async throws {
        let browser = try CurlBrowser(try WebHost.shared)
        #expect(try await browser.send("/").headers["location"] == "/sign-in")
        let signedIn = try await browser.signIn()
        #expect(signedIn.status == 303)
        let cookie = try #require(signedIn.headers["set-cookie"])
        #expect(cookie.hasPrefix("__Host-ffs="))
        #expect(cookie.hasSuffix("; Path=/; Secure; HttpOnly; SameSite=Strict"))
        let catalogue = try await browser.send("/")
        #expect(catalogue.status == 200)
        #expect(catalogue.body.contains("Tool &lt;script&gt;alert(1)&lt;/script&gt;"))
        #expect(catalogue.body.contains("ACME &quot;Ltd.&quot; &amp; &lt;Co&gt;"))
        let path = try await browser.order()
        let account = try await browser.send(path)
        #expect(account.body.contains("install it&#39;s &lt;b&gt;.sh"))
        let password = try #require(account.body.firstMatch(of: /data-copy="the password">([a-z2-7]{26})</)).1
        #expect(try await browser.send(path).body.contains(password) == false)
        #expect(try await browser.send("/accounts").body.contains(path))
        let sums = try await browser.send("\(path)/SHA256SUMS")
        #expect(sums.body.contains("  tool-1.0/docs/100% #1 [draft]+~.txt\n"))
        let revoked = try await browser.post("\(path)/revoke", [], token: catalogue.token)
        #expect(revoked.headers["location"] == "/accounts")
        #expect(try await browser.send(path).status == 410)
        #expect(try await browser.post("/sign-out", [], token: catalogue.token).status == 303)
        #expect(try await browser.send("/").status == 303)
    }

    @Test func plainHTTPOnLoopbackWorksWithoutTheSecureCookie() async throws {
        let browser = try CurlBrowser(try WebHost.shared, plain: true)
        let signedIn = try await browser.signIn()
        #expect(signedIn.headers["set-cookie"]?.hasPrefix("ffs=") == true)
        #expect(signedIn.headers["strict-transport-security"] == nil)
        #expect(try await browser.send("/").status == 200)
    }

    @Test func headersOnTheWire() async throws {
        let page = try await CurlBrowser(try WebHost.shared).send("/sign-in")
        #expect(page.headers["content-security-policy"]?.hasPrefix("default-src 'none';") == true)
        #expect(page.headers["strict-transport-security"] == "max-age=31536000")
        #expect(page.headers["x-content-type-options"] == "nosniff")
        #expect(page.headers["cache-control"] == "no-store")
        #expect(page.headers["date"]?.hasSuffix(" GMT") == true)
        #expect(page.headers["server"] == nil)
        let style = try #require(page.body.firstMatch(of: /href="(\/assets\/site.css[^"]*)"/)).1
        let file = try await CurlBrowser(try WebHost.shared).send(String(style))
        #expect(file.headers["content-type"] == "text/css; charset=utf-8")
        #expect(file.headers["cache-control"]?.contains("immutable") == true)
    }

    @Test func forgedFormsAreRefused() async throws {
        let browser = try CurlBrowser(try WebHost.shared)
        try await browser.signIn()
        let token = try await browser.send("/password").token
        #expect(token != nil)
        #expect(try await browser.post("/sign-out", ["x=y"], token: nil).status == 403)
        #expect(try await browser.post("/sign-out", [], token: String(repeating: "0", count: 64)).status == 403)
        let foreign = ["-H", "Origin: https://evil.example", "--data-urlencode", "csrf=\(token ?? "")"]
        #expect(try await browser.send("/sign-out", foreign).status == 403)
        #expect(try await browser.send("/").status == 200)
    }

    @Test func wrongPasswordsAreAllAlike() async throws {
        let browser = try CurlBrowser(try WebHost.shared)
        let token = try await browser.send("/sign-in").token
        for fields in [["customer=acme", "password=wrong"], ["customer=nobody", "password=\(WebHost.password)"]] {
            let page = try await browser.post("/sign-in", fields, token: token)
            #expect(page.status == 403)
            #expect(page.body.contains("The name or the password is not right."))
        }
    }

    @Test func boundsBodiesAndHeads() async throws {
        let host = try WebHost.shared
        let browser = try CurlBrowser(host)
        let home = try TemporaryDirectory("body")
        try Files.write(String(repeating: "a", count: 200_000), to: home("big"))
        #expect(try await browser.send("/sign-in", ["--data-binary", "@\(home("big"))"]).status == 413)
        let chunked = ["-H", "Transfer-Encoding: chunked", "--data-binary", "@\(home("big"))"]
        #expect(try await browser.send("/sign-in", chunked).status == 413)
        let long = String(repeating: "x", count: 60_000)
        #expect(try await browser.send("/", ["-H", "X-Long: \(long)"]).status == 431)
        let many = (0..<150).map { "X-\($0): y\r\n" }.joined()
        #expect(try await host.raw("GET / HTTP/1.1\r\nHost: localhost\r\n\(many)\r\n").hasPrefix("HTTP/1.1 431"))
    }

    @Test(arguments: [
        "nonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /\u{1} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "GET /sign-in HTTP/1.1\r\n\r\n", "GET /sign-in HTTP/1.1\r\nHost:\r\n\r\n",
        "GET /sign-in HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        "GET /sign-in HTTP/1.1\r\nHost: local host\r\n\r\n", "GET /sign-in HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
        "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\nabc",
    ])
    func whatIsNotHTTPIsRefused(request: String) async throws {
        let host = try WebHost.shared
        let answer = try await host.raw(request)
        #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 400"), "\(answer)")
        #expect(try await CurlBrowser(host).send("/sign-in").status == 200)
    }

    /// A client that was led here with another protocol's connection ends in the handshake.
    @Test func foreignProtocolsAreRefused() async throws {
        let host = try WebHost.shared
        func offer(_ name: String) async throws -> CommandResult {
            try await command(
                "bash", "-c",
                "printf 'GET /robots.txt HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n' | "
                    + "timeout 20 openssl s_client -quiet -connect 127.0.0.1:\(host.system.webPort) \(name)")
        }
        let foreign = try await offer("-alpn ftp")
        #expect(!foreign.output.contains("HTTP/1.1 200"), "\(foreign)")
        #expect(foreign.errorOutput.contains("no application protocol"), "\(foreign)")
        #expect(try await host.system.curl(["--http1.1", "\(host.url)/robots.txt"]).output.contains("Disallow"))
        #expect(try await host.system.curl(["--no-alpn", "\(host.url)/robots.txt"]).output.contains("Disallow"))
    }

    @Test func methodsAreChecked() async throws {
        let browser = try CurlBrowser(try WebHost.shared)
        for method in ["PUT", "DELETE", "TRACE", "OPTIONS"] {
            let page = try await browser.send("/sign-in", ["-X", method])
            #expect(page.status == 405)
            #expect(page.headers["allow"] == "GET, HEAD, POST")
        }
        #expect(try await browser.send("/nowhere").status == 404)
        let head = try await browser.send("/sign-in", ["--head"])
        #expect(head.status == 200 && head.body.isEmpty)
    }

    /// What a customer typed or was given must not outlive the process on this host's disk.
    @Test func secretsReachNoFile() async throws {
        let host = try WebHost.shared
        let browser = try CurlBrowser(host)
        try await browser.signIn()
        let page = try await browser.send(try await browser.order())
        let password = try #require(page.body.firstMatch(of: /data-copy="the password">([a-z2-7]{26})</)).1
        let session = try #require(browser.cookie.firstMatch(of: /[0-9a-f]{64}/)).0
        for secret in [WebHost.password, String(password), String(session)] {
            let found = try await command("grep", "-rlaF", "--", secret, host.system.directory.path)
            #expect(found.status == 1 && found.output.isEmpty, "\(found)")
        }
    }

    @Test func statusIsForThisMachine() async throws {
        #expect(try await CurlBrowser(try WebHost.shared, plain: true).send("/status").status == 404)
        let page = try await CurlBrowser(try WebHost.shared).send("/status")
        #expect(page.status == 200)
        #expect(page.body.components(separatedBy: ">up<").count == 3)
    }

    /// No message of a policy that was broken, a script that failed or a file that is missing.
    @Test func browserHasNothingToComplainOf() async throws {
        let host = try WebHost.shared
        let profile = try TemporaryDirectory("chromium")
        let result = try await command(
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors",
            "--user-data-dir=\(profile.path)", "--enable-logging=stderr", "--window-size=390,844",
            "--screenshot=\(profile("page.png"))", "--dump-dom", "\(host.url)/sign-in"
        ).succeeded()
        #expect(result.output.contains("<h1>Sign in</h1>"))
        #expect(result.errorOutput.lines.filter { $0.contains("CONSOLE") }.isEmpty, "\(result)")
        #expect(try Files.size(profile("page.png")) > 2_000)
    }
}
