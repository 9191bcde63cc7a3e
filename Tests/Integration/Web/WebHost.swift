import TestSupport
import Testing

/// ffsauthd, ffsstaged and ffswebd as processes, a product with names that need care, and one customer.
struct WebHost: Sendable {
    let system: System
    let plainPort: Int

    static let customer = "acme"
    static let password = "correct horse 9"

    /// The host that the trait ``Served`` made for the suite.
    @TaskLocal static var current: WebHost?

    static var shared: WebHost {
        get throws {
            guard let current else { throw TestFailure("the suite lacks the trait .served") }
            return current
        }
    }

    var url: String { system.webURL }
    var plainURL: String { "http://127.0.0.1:\(plainPort)" }

    static func start(_ settings: [String: String] = [:]) async throws -> WebHost {
        let plainPort = try Ports.one()
        let own = ["web.plain-port": "\(plainPort)", "web.sign-in-rate": "1000"]
        let host = WebHost(system: try await System(settings: own.merging(settings) { $1 }), plainPort: plainPort)
        for daemon in [System.Daemon.ffsauthd, .ffsstaged, .ffswebd] { try await host.system.start(daemon) }
        let content = try TemporaryDirectory("web-content")
        try Files.makeDirectory(content("docs"))
        try Files.write("#!/bin/sh\n", to: content("install it's <b>.sh"))
        try Files.write("readme\n", to: content("docs/100% #1 [draft]+~.txt"))
        try await host.system.ctl(
            "product", "publish", "tool", "1.0", content.path, "--title", "Tool <script>alert(1)</script>"
        ).succeeded()
        try await host.system.ctl(
            "customer", "add", customer, "--display-name", "ACME \"Ltd.\" & <Co>", "--password-stdin",
            input: password + "\n"
        ).succeeded()
        try await host.system.ctl("entitlement", "grant", customer, "tool").succeeded()
        return host
    }

    /// What /dev/tcp of bash brings back for `request` on the plain port, once the server has closed.
    func raw(_ request: String) async throws -> String {
        try await command(
            "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/\(plainPort); cat >&3; cat <&3", input: request
        ).output
    }
}

/// A browser made of curl: a cookie jar, forms sent with the token of the page they are on.
struct CurlBrowser: Sendable {
    let host: WebHost
    private let home: TemporaryDirectory
    private let base: String

    init(_ host: WebHost, plain: Bool = false) throws {
        self.host = host
        base = plain ? host.plainURL : host.url
        home = try TemporaryDirectory("browser")
    }

    struct Page {
        let status: Int
        /// Names in lower case.
        let headers: [String: String]
        let body: String

        var token: String? { body.firstMatch(of: /name="csrf" value="([0-9a-f]{64})"/).map { String($0.1) } }
    }

    func send(_ path: String, _ options: [String] = []) async throws -> Page {
        let jar = home("jar")
        let result = try await host.system.curl(
            ["--include", "--cookie", jar, "--cookie-jar", jar] + options + [base + path]
        ).succeeded()
        let text = result.output.replacing("\r\n", with: "\n")
        guard let blank = text.firstRange(of: "\n\n") else { throw TestFailure("no head: \(result)") }
        let lines = text[..<blank.lowerBound].split(separator: "\n")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] = parts.count > 1 ? String(parts[1]).trimmed : ""
        }
        let status = lines[0].split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return Page(status: status, headers: headers, body: String(text[blank.upperBound...]))
    }

    func post(_ path: String, _ fields: [String], token: String?) async throws -> Page {
        let all = fields + (token.map { ["csrf=\($0)"] } ?? [])
        return try await send(path, all.flatMap { ["--data-urlencode", $0] })
    }

    /// Signs in through the form; the page that the server sends to.
    @discardableResult
    func signIn() async throws -> Page {
        let form = try await send("/sign-in")
        return try await post(
            "/sign-in", ["customer=\(WebHost.customer)", "password=\(WebHost.password)"], token: form.token)
    }

    /// Orders the product through the catalogue; the path of the account's page.
    func order() async throws -> String {
        let catalogue = try await send("/")
        let action = try #require(catalogue.body.firstMatch(of: /formaction="([^"]+)"/)).1
        let reply = try await post(
            String(action), ["item=tool/1.0", "lifetime=86400"], token: catalogue.token)
        return try #require(reply.headers["location"], "\(reply)")
    }

    /// The session's cookie, as the jar holds it.
    var cookie: String { (try? Files.read(home("jar"))) ?? "" }
}

/// One web host for all tests of a suite, in ``WebHost/shared``.
struct Served: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        let host = try await WebHost.start()
        try await WebHost.$current.withValue(host) { try await function() }
        try await host.system.stop()
    }
}

extension Trait where Self == Served {
    static var served: Self { Served() }
}
