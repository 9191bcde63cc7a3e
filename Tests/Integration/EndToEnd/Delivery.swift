import FoundationEssentials
import TestSupport
import Testing

/// The main job up to the customer's fetching: a whole FFS that runs, content published, a customer entitled, signed
/// in at the web front with curl, and their account staged.
struct Delivery: Sendable {
    let system: System
    /// What was published, and what every client has to bring home.
    let content: TemporaryDirectory
    let account: String
    let password: String
    /// The web front's answer to the order.
    let staged: StagedReply

    static let product = "field-kit"
    static let version = "2.1"
    static let customer = "acme"
    static let customerPassword = "correct horse 9"
    /// Where the product stands in an account.
    static let folder = "\(product)-\(version)"

    struct StagedReply: Decodable, Sendable {
        struct File: Decodable, Sendable {
            let path: String
            let size: Int
            let sha256: String
        }
        let account: String
        let password: String?
        let fileCount: Int
        let size: Int
        let files: [File]
    }

    private struct Session: Decodable { let token: String }

    @TaskLocal static var current: Delivery?

    /// The delivery that ``Delivered`` made for the suite.
    static var shared: Delivery {
        get throws {
            guard let current else { throw TestFailure("the suite lacks the trait .delivered") }
            return current
        }
    }

    static func make(settings: [String: String] = [:], unprivileged: Bool = false) async throws -> Delivery {
        let system = try await System.start(settings: settings, unprivileged: unprivileged)
        let content = try await makeContent()
        if unprivileged { try await command("chmod", "-R", "a+rX", content.path).succeeded() }
        try await publish(content.path, in: system)
        try await system.ctl(
            "customer", "add", customer, "--display-name", "ACME Ltd.", "--password-stdin",
            input: customerPassword + "\n"
        ).succeeded()
        try await system.ctl("entitlement", "grant", customer, product).succeeded()
        let token = try await signIn(to: system)
        let staged = try await stage(in: system, token: token)
        guard let password = staged.password else { throw TestFailure("the reply to an order has no password") }
        return Delivery(
            system: system, content: content, account: staged.account, password: password, staged: staged)
    }

    static func publish(_ folder: String, in system: System) async throws {
        try await system.ctl("product", "publish", product, version, folder).succeeded()
    }

    /// The token of a session, from the JSON API.
    static func signIn(to system: System) async throws -> String {
        let body = #"{"customer": "\#(customer)", "password": "\#(customerPassword)"}"#
        let reply = try await system.curl(
            ["--fail-with-body", "--json", body, "\(system.webURL)/api/v1/sessions"]
        ).succeeded()
        return try JSONDecoder().decode(Session.self, from: Data(reply.outputBytes)).token
    }

    /// Orders the product. Each call makes an account, unless it repeats the `key` of an earlier one.
    static func stage(in system: System, token: String, key: String? = nil) async throws -> StagedReply {
        let body = #"{"items": [{"product": "\#(product)", "version": "\#(version)"}]}"#
        let reply = try await system.curl(
            [
                "--fail-with-body", "--json", body, "-H", "Authorization: Bearer \(token)",
                "\(system.webURL)/api/v1/accounts",
            ] + (key.map { ["-H", "Idempotency-Key: \($0)"] } ?? [])
        ).succeeded()
        return try JSONDecoder().decode(StagedReply.self, from: Data(reply.outputBytes))
    }

    var ftp: String { "ftp://localhost:\(system.ftpPort)" }
    var https: String { "https://localhost:\(system.httpsPort)/a/\(account)" }

    /// Throws unless `folder` holds exactly what was published, by `diff` and by the account's own SHA256SUMS.
    func compare(_ folder: String) async throws {
        try await command("diff", "-r", content.path, "\(folder)/\(Self.folder)").succeeded()
        try await command("sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS", directory: folder).succeeded()
    }

    /// Names that make clients work: spaces, UTF-8, marks of shells, URLs and globs; an empty file, a deep path,
    /// a program, many small files, and one that is large enough to be fetched in parts.
    private static func makeContent() async throws -> TemporaryDirectory {
        let content = try TemporaryDirectory("content")
        try Files.makeDirectory(content("bin"))
        try Files.makeDirectory(content("docs/de/Anhänge & mehr"))
        try Files.makeDirectory(content("many"))
        try Files.write("#!/bin/sh\necho hello\n", to: content("bin/hello"))
        try Files.setMode(0o755, of: content("bin/hello"))
        try Files.write("", to: content("empty"))
        try Files.write("100 % [sure]?\n", to: content("docs/100% #1 [draft]+~.txt"))
        try Files.write("Grüße\n", to: content("docs/de/Anhänge & mehr/Größe – Übersicht.txt"))
        for number in 0..<200 { try Files.write("record \(number)\n", to: content("many/record-\(number).txt")) }
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        let image = (0..<(24 << 20)).map { _ -> UInt8 in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
        try Files.write(image, to: content("image.bin"))
        return content
    }
}

/// One delivery for all tests of a suite, in ``Delivery/shared``.
struct Delivered: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        let delivery = try await Delivery.make()
        try await Delivery.$current.withValue(delivery) { try await function() }
        try await delivery.system.stop()
    }
}

extension Trait where Self == Delivered {
    static var delivered: Self { Delivered() }
}
