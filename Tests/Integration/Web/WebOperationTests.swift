import Glibc
import TestSupport
import Testing

/// ffswebd as operators meet it: faults at start, reloads, peers that are away, slow and greedy clients.
@Suite(.timeLimit(.minutes(5)))
struct WebOperationTests {
    @Test func slowHeadsAndBodiesAreCut() async throws {
        let host = try await WebHost.start(["web.request-timeout": "1", "web.keep-alive": "1"])
        // The connection ends, with no answer, though it never said that it would.
        #expect(try await host.raw("GET / HTTP/1.1\r\nHost: localhost\r\n").isEmpty)
        let body = "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\ncsrf="
        #expect(try await host.raw(body).isEmpty)
        // And an idle one, after its answer.
        #expect(try await host.raw("GET /sign-in HTTP/1.1\r\nHost: localhost\r\n\r\n").hasPrefix("HTTP/1.1 200"))
        // A client that never starts its handshake.
        try await command("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/\(host.system.webPort); cat <&3").succeeded()
        try await host.system.stop()
    }

    @Test func oneSourceCannotTakeEveryConnection() async throws {
        let host = try await WebHost.start(["web.connections-per-source": "3", "web.keep-alive": "5"])
        let open = (3...5).map { "exec \($0)<>/dev/tcp/127.0.0.1/\(host.plainPort); " }.joined()
        // Each is answered, so each is counted, before the fourth comes.
        let ask = (3...5).map {
            "printf 'GET /robots.txt HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n' >&\($0); read -r line <&\($0); echo \"$line\"; "
        }.joined()
        let fourth = "exec 9<>/dev/tcp/127.0.0.1/\(host.plainPort); cat <&9; echo closed"
        let result = try await command("bash", "-c", open + ask + fourth).succeeded()
        #expect(result.output.components(of: "200 OK") == 3)
        #expect(result.output.hasSuffix("closed\n"))
        try await host.system.stop()
    }

    @Test func reloadTakesANewCertificateAndKeepsSessions() async throws {
        let host = try await WebHost.start()
        let browser = try CurlBrowser(host)
        try await browser.signIn()
        let before = try await fingerprint(host)
        let key = host.system.directory("etc/ffs/tls/key.pem")
        // Half of a change: refused, and the old certificate goes on.
        try Files.write("not a key\n", to: key)
        let daemon = try host.system.process(.ffswebd)
        daemon.signal(SIGHUP)
        try await daemon.logged("reload failed")
        #expect(try await fingerprint(host) == before)
        try await command(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
            "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key,
            "-out", host.system.certificate
        ).succeeded()
        if System.isRoot { try await command("chgrp", "ffsweb", key).succeeded() }
        try Files.setMode(0o640, of: key)
        daemon.signal(SIGHUP)
        try await daemon.logged(" reloaded")
        #expect(try await fingerprint(host) != before)
        #expect(try await browser.send("/").status == 200)
        try await host.system.stop()
    }

    private func fingerprint(_ host: WebHost) async throws -> String {
        try await command(
            "bash", "-c",
            "openssl s_client -connect 127.0.0.1:\(host.system.webPort) </dev/null 2>/dev/null | "
                + "openssl x509 -noout -fingerprint -sha256"
        ).succeeded().trimmed
    }

    @Test func peersThatAreAwayAreToldKindly() async throws {
        let host = try await WebHost.start()
        let browser = try CurlBrowser(host)
        try await browser.signIn()
        let token = try await browser.send("/").token
        try await host.system.process(.ffsstaged).kill9()
        let list = try await browser.send("/accounts")
        #expect(list.status == 503)
        #expect(list.headers["retry-after"] != nil)
        #expect(list.body.contains("Try again"))
        #expect(!list.body.contains("ffsstaged") && !list.body.contains("127.0.0.1"))
        #expect(try await browser.post("/accounts?key=1", ["item=tool/1.0"], token: token).status == 503)
        // Back, everything goes on in the same session.
        try await host.system.start(.ffsstaged)
        #expect(try await browser.send("/accounts").status == 200)
        try await host.system.process(.ffsauthd).kill9()
        #expect(try await browser.send("/").status == 503)
        let api = try await host.system.curl([
            "--json", #"{"customer":"acme","password":"x"}"#, "\(host.url)/api/v1/sessions",
        ])
        #expect(api.output.contains(#""code":"unreachable""#))
        #expect(try await host.system.process(.ffswebd).stop() == 0)
    }

    @Test func aRestartSignsEveryoneOut() async throws {
        let host = try await WebHost.start()
        let browser = try CurlBrowser(host)
        try await browser.signIn()
        #expect(try await browser.send("/").status == 200)
        #expect(try await host.system.process(.ffswebd).stop() == 0)
        try await host.system.start(.ffswebd)
        #expect(try await browser.send("/").headers["location"] == "/sign-in?ended")
        try await host.system.stop()
    }

    @Test(arguments: [
        (["web.certificate": "/nonexistent.pem"], "web.certificate"),
        (["web.private-key": "/nonexistent.pem"], "web.private-key"),
        (["web.plain-address": "0.0.0.0", "web.plain-port": "8099"], "list your TLS proxies in web.proxies"),
        (["web.proxies": "10.0.0.0/33"], "web.proxies: 10.0.0.0/33"),
        (["web.address": "not an address"], "web.address must be an IPv4 or IPv6 address"),
        (["commlink.keybag-directory": "/nonexistent"], "commlink.keybag-directory"),
    ])
    func faultsAtStartSayWhatToDo(settings: [String: String], words: String) async throws {
        let system = try await System()
        let options = settings.flatMap { ["--set", "\($0)=\($1)"] }
        let daemon = try await system.launch(.ffswebd, options)
        #expect(try await daemon.ended() == 78)
        #expect(daemon.log.contains(words), "\(daemon.log)")
    }

    @Test func aKeyThatOthersMayReadIsRefused() async throws {
        let system = try await System()
        try Files.setMode(0o644, of: system.directory("etc/ffs/tls/key.pem"))
        let daemon = try await system.launch(.ffswebd)
        #expect(try await daemon.ended() == 78)
        #expect(daemon.log.contains("chmod 0640"), "\(daemon.log)")
    }

    @Test func aPortInUseIsNamed() async throws {
        let host = try await WebHost.start()
        // Held on to: the system knows one process of each daemon.
        let first = try host.system.process(.ffswebd)
        let second = try await host.system.launch(.ffswebd, ["--set", "web.plain-port=0"])
        #expect(try await second.ended() == 75)
        #expect(second.log.contains("port \(host.system.webPort)"), "\(second.log)")
        #expect(second.log.contains("web.port"))
        #expect(try await first.stop() == 0)
    }
}

extension String {
    /// How often `mark` occurs.
    fileprivate func components(of mark: String) -> Int { ranges(of: mark).count }
}
