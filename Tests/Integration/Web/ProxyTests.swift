import TestSupport
import Testing

/// ffswebd behind a TLS proxy: whose word about the client counts, and what goes by it.
@Suite(.timeLimit(.minutes(5)))
struct ProxyTests {
    /// A request that a proxy of this machine passes on.
    private func pass(
        _ host: WebHost, _ path: String, client: String, scheme: String? = "https", _ options: [String] = []
    ) async throws -> String {
        let told =
            ["-H", "Host: delivery.example", "-H", "X-Forwarded-For: \(client)"]
            + (scheme.map { ["-H", "X-Forwarded-Proto: \($0)"] } ?? [])
        return try await host.system.curl(["--include"] + told + options + [host.plainURL + path]).succeeded().output
    }

    private func signIn(_ host: WebHost, client: String, password: String = WebHost.password) async throws -> String {
        let form = try await pass(host, "/sign-in", client: client)
        let token = try #require(form.firstMatch(of: /name="csrf" value="([0-9a-f]{64})"/)).1
        let cookie = try #require(form.firstMatch(of: /__Host-ffs=[0-9a-f]{64}/)).0
        return try await pass(
            host, "/sign-in", client: client,
            [
                "-H", "Cookie: \(cookie)", "-H", "Origin: https://delivery.example", "--data-urlencode",
                "csrf=\(token)",
                "--data-urlencode", "customer=\(WebHost.customer)", "--data-urlencode", "password=\(password)",
            ])
    }

    @Test func aListedProxySpeaksForItsClients() async throws {
        let host = try await WebHost.start(["web.proxies": "127.0.0.1", "web.sign-in-rate": "2"])
        // Forms, Secure cookies and strict transport, as over ffswebd's own TLS.
        let reply = try await signIn(host, client: "203.0.113.9")
        #expect(reply.hasPrefix("HTTP/1.1 303"), "\(reply)")
        #expect(
            reply.contains("__Host-ffs=") && reply.contains("; Secure") && reply.contains("strict-transport-security"))
        // Attempts count for the client whom the proxy names last, whatever the client claims before.
        _ = try await signIn(host, client: "198.51.100.1, 203.0.113.9", password: "wrong")
        #expect(try await signIn(host, client: "198.51.100.2, 203.0.113.9").hasPrefix("HTTP/1.1 429"))
        #expect(try await signIn(host, client: "2001:db8::1", password: "wrong").hasPrefix("HTTP/1.1 403"))
        #expect(try await signIn(host, client: "2001:db8::2", password: "wrong").hasPrefix("HTTP/1.1 403"))
        #expect(try await signIn(host, client: "2001:db8::3").hasPrefix("HTTP/1.1 429"))
        #expect(try await signIn(host, client: "203.0.113.10").hasPrefix("HTTP/1.1 303"))
        // Nobody behind it is this machine, whatever is claimed.
        for client in ["203.0.113.9", "127.0.0.1", "127.0.0.1, 203.0.113.9", "::1"] {
            #expect(try await pass(host, "/status", client: client).hasPrefix("HTTP/1.1 404"), "\(client)")
        }
        // What the client sent to the proxy without TLS is no HTTPS.
        let plain = try await pass(host, "/sign-in", client: "203.0.113.9", scheme: "http")
        #expect(plain.contains("set-cookie: ffs=") && !plain.contains("strict-transport-security"))
        try await host.system.stop()
    }

    @Test func thePROXYProtocolNamesTheClient() async throws {
        let host = try await WebHost.start([
            "web.proxies": "127.0.0.0/8", "web.proxy-protocol": "true", "web.proxy-scheme-header": "",
        ])
        let request = "GET /sign-in HTTP/1.1\r\nHost: delivery.example\r\nConnection: close\r\n\r\n"
        let heads = [
            ("PROXY TCP4 203.0.113.77 192.0.2.1 40000 443\r\n", "203.0.113.77"),
            ("PROXY TCP6 2001:db8::77 2001:db8::1 40000 443\r\n", "2001:db8::77"),
            (
                "\r\n\r\n\0\r\nQUIT\n\u{21}\u{11}\0\u{0C}\u{0B}\u{16}\u{21}\u{2C}\u{01}\u{02}\u{03}\u{04}\u{11}\u{11}\u{01}\u{02}",
                "11.22.33.44"
            ),
        ]
        for (head, client) in heads {
            let reply = try await host.raw(head + request)
            #expect(reply.hasPrefix("HTTP/1.1 200"), "\(client): \(reply)")
            #expect(reply.contains("__Host-ffs="))
            try await host.system.process(.ffswebd).logged("source=\(client)")
        }
        // The proxy's own check; then what is none, or lies, or says nothing.
        #expect(try await host.raw("PROXY UNKNOWN\r\n" + request).hasPrefix("HTTP/1.1 200"))
        for head in ["", "PROXY TCP4 nonsense\r\n", "PROXY TCP4 203.0.113.77 192.0.2.1 99999999 443\r\n"] {
            #expect(try await host.raw(head + request).isEmpty, "\(head)")
        }
        try await host.system.stop()
    }

    /// Where no proxy is listed, the plain port answers what speaks to it itself, from this machine.
    @Test func anUnlistedProxyIsToldSo() async throws {
        let host = try await WebHost.start()
        #expect(try await host.system.curl(["--include", "\(host.plainURL)/sign-in"]).output.hasPrefix("HTTP/1.1 200"))
        let refused = [
            ["Host: delivery.example"], ["X-Forwarded-For: 203.0.113.9"], ["X-Forwarded-Proto: https"], ["Via: 1.1 x"],
            ["Forwarded: for=203.0.113.9"], ["Host: 127.0.0.1.evil.example"],
        ]
        for headers in refused {
            let reply = try await host.system.curl(
                ["--include"] + headers.flatMap { ["-H", $0] } + ["\(host.plainURL)/sign-in"]
            ).output
            #expect(reply.hasPrefix("HTTP/1.1 421"), "\(headers): \(reply)")
            #expect(reply.contains("web.proxies"))
        }
        // At the TLS port nobody's word counts but the connection's.
        let own = try await host.system.curl(["--include", "-H", "X-Forwarded-For: 203.0.113.9", "\(host.url)/status"])
        #expect(own.output.hasPrefix("HTTP/1.1 200"))
        try await host.system.stop()
    }
}
