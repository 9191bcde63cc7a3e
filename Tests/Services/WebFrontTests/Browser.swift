import Clients
import ConfigurationSchema
import FFSModel
import Logging
import Requests
import Synchronization

@testable import WebFront

/// A front with services behind it, a clock the test turns, and a browser that keeps cookies and follows redirects.
final class Site: Sendable {
    let services: FakeServices
    let front: WebFront
    private let seconds: ClockHand

    final class ClockHand: Sendable {
        let value = Mutex<Int64>(1_795_000_000)
    }

    init(_ settings: [String: String] = [:], selfSigned: Bool = false) throws {
        let hand = ClockHand()
        seconds = hand
        var configuration = Configuration()
        try configuration.set("ftp.public-host", to: "downloads.example", from: .commandLine)
        for (key, value) in settings { try configuration.set(key, to: value, from: .commandLine) }
        let now: @Sendable () -> Timestamp = { Timestamp(seconds: hand.value.withLock { $0 }) }
        services = FakeServices(now: now, certificate: selfSigned ? "PEM\n" : nil)
        front = try WebFront(
            settings: WebSettings(configuration), auth: AuthClient(services.auth),
            staging: StagingClient(services.staging),
            clocks: WebFront.Clocks(now: now, steady: { hand.value.withLock { $0 } }),
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    func pass(_ seconds: Int64) { self.seconds.value.withLock { $0 += seconds } }

    /// Gives the customer `products` with one version each.
    func entitle(_ products: String...) throws {
        let entitlements = try products.map { name in
            Entitlement(
                item: Item(product: try ProductName(name), version: try VersionName("1.0")), title: "The \(name)",
                summary: "About \(name).", size: 5_000_000_000, files: 3, released: Timestamp(seconds: 1_790_000_000),
                until: nil, policy: .finish)
        }
        services.with { $0.entitlements += entitlements }
    }
}

/// One browser: a cookie jar and an address.
final class Browser: Sendable {
    let site: Site
    let source: Source
    let isSecure: Bool
    private let jar = Mutex<[String: String]>([:])

    init(_ site: Site, address: String = "192.0.2.7", secure: Bool = true) {
        self.site = site
        source = Source(address: address, network: address, isLoopback: address == "127.0.0.1")
        isSecure = secure
    }

    var cookies: [String: String] {
        get { jar.withLock { $0 } }
        set { jar.withLock { $0 = newValue } }
    }

    func send(
        _ method: String, _ target: String, headers: [String: String] = [:], body: String = ""
    ) async -> WebResponse {
        var all = ["host": "web.example"]
        if !cookies.isEmpty { all["cookie"] = cookies.map { "\($0)=\($1)" }.joined(separator: "; ") }
        all.merge(headers) { _, given in given }
        let response = await site.front.respond(
            to: WebRequest(
                method: method, target: target, headers: all, body: Array(body.utf8), source: source,
                isSecure: isSecure))
        if let cookie = response.header("set-cookie") { keep(cookie) }
        return response
    }

    private func keep(_ cookie: String) {
        let parts = cookie.split(separator: ";")[0].split(
            separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        jar.withLock { jar in jar[String(parts[0])] = cookie.contains("Max-Age=0") ? nil : String(parts[1]) }
    }

    func get(_ target: String) async -> WebResponse { await send("GET", target) }

    /// GET, and again as long as it is sent elsewhere.
    func open(_ target: String) async -> WebResponse {
        var response = await get(target)
        for _ in 0..<5 {
            guard let place = response.header("location") else { break }
            response = await get(place)
        }
        return response
    }

    /// Posts a form with the token of the page at `page`.
    func post(_ target: String, _ fields: [(String, String)], from page: String = "/sign-in") async -> WebResponse {
        let token = await open(page).formToken
        return await post(target, fields, token: token)
    }

    /// - Parameter origin: the site whose page posts; nil for our own.
    func post(
        _ target: String, _ fields: [(String, String)], token: String?, origin: String? = nil
    ) async -> WebResponse {
        let all = fields + (token.map { [("csrf", $0)] } ?? [])
        let body = all.map { "\(Escaping.urlQuery($0))=\(Escaping.urlQuery($1))" }.joined(separator: "&")
        return await send(
            "POST", target,
            headers: [
                "content-type": "application/x-www-form-urlencoded",
                "origin": origin ?? "\(isSecure ? "https" : "http")://web.example",
            ], body: body)
    }

    @discardableResult
    func signIn(_ customer: String = "acme", _ password: String = "correct horse") async -> WebResponse {
        await post("/sign-in", [("customer", customer), ("password", password)])
    }
}

extension WebResponse {
    var text: String { String(decoding: body, as: UTF8.self) }

    /// The token of the first form on the page.
    var formToken: String? {
        for mark in [#"name="csrf" value=""#] {
            guard let range = text.range(mark) else { continue }
            return String(text[range...].prefix(64))
        }
        return nil
    }
}

extension String {
    /// Where the text after `mark` begins.
    func range(_ mark: String) -> String.Index? {
        let (hay, needle) = (Array(utf8), Array(mark.utf8))
        guard hay.count >= needle.count else { return nil }
        for start in 0...(hay.count - needle.count) where hay[start..<(start + needle.count)].elementsEqual(needle) {
            return utf8.index(utf8.startIndex, offsetBy: start + needle.count)
        }
        return nil
    }

    /// The text between `before` and `after`.
    func between(_ before: String, _ after: String) -> String? {
        guard let start = range(before) else { return nil }
        let rest = String(self[start...])
        guard let end = rest.range(after) else { return nil }
        return String(rest.utf8.prefix(rest.utf8.distance(from: rest.startIndex, to: end) - after.utf8.count))
    }
}
