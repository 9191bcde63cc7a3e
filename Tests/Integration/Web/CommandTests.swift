import FoundationEssentials
import TestSupport
import Testing

/// The commands that the web front offers, pasted into a shell as they are, against the real download server: for an
/// empty folder, after a cut, and for an account that is complete.
@Suite(.timeLimit(.minutes(5)))
struct CommandTests {
    private struct Reply: Decodable {
        struct Command: Decodable {
            let tool: String
            let command: String
        }
        let account: String
        let certificate: String?
        let commands: [Command]
    }

    /// A product whose names are hostile to shells, and what was published of it.
    private struct Shop {
        let system: System
        let content: TemporaryDirectory

        static let customer = "acme"
        static let password = "correct horse 9"

        static func open(_ settings: [String: String]) async throws -> Shop {
            let system = try await System.start(settings: settings)
            let content = try TemporaryDirectory("commands")
            try Files.makeDirectory(content("docs"))
            try Files.write("harmless\n", to: content("x'\u{301};touch pwned;'\u{301}"))
            try Files.write("harmless\n", to: content("$(touch pwned) `touch pwned` -rf"))
            try Files.write(String(repeating: "0123456789abcdef", count: 100_000), to: content("docs/large file.bin"))
            try Files.write("", to: content("docs/empty"))
            try await system.ctl("product", "publish", "kit", "1", content.path).succeeded()
            try await system.ctl("customer", "add", customer, "--password-stdin", input: password + "\n").succeeded()
            try await system.ctl("entitlement", "grant", customer, "kit").succeeded()
            return Shop(system: system, content: content)
        }

        /// Orders, and saves the certificate beside where the commands run, as the page and ffswebd(8) say.
        func order(_ product: String = "kit") async throws -> (Reply, TemporaryDirectory) {
            let sessions = try await system.curl([
                "--fail-with-body", "--json", #"{"customer": "\#(Self.customer)", "password": "\#(Self.password)"}"#,
                "\(system.webURL)/api/v1/sessions",
            ]).succeeded()
            let token = try #require(sessions.output.firstMatch(of: /"token":"([0-9a-f]{64})"/)).1
            let reply = try await system.curl([
                "--fail-with-body", "--json", #"{"items": [{"product": "\#(product)", "version": "1"}]}"#, "-H",
                "Authorization: Bearer \(token)", "\(system.webURL)/api/v1/accounts",
            ]).succeeded()
            let home = try TemporaryDirectory("shell")
            let decoded = try JSONDecoder().decode(Reply.self, from: Data(reply.outputBytes))
            try Files.write(try #require(decoded.certificate), to: home("ffs-certificate.pem"))
            return (decoded, home)
        }

        /// Runs the command of `tool` and then the one that checks; throws unless all that was published is there.
        func run(_ tool: String, _ reply: Reply, _ home: TemporaryDirectory) async throws {
            for name in [tool, "sha256sum"] {
                let line = try #require(reply.commands.first { $0.tool == name }).command
                try await command("sh", "-c", line, environment: ["HOME": home.path], directory: home.path).succeeded()
            }
            try await command("diff", "-r", content.path, home("ffs-\(reply.account)/kit-1")).succeeded()
            let stray = try await command("find", home.path, "-name", "pwned").succeeded()
            #expect(stray.output.isEmpty, "\(stray)")
        }
    }

    @Test(arguments: [
        [:], ["ftp.https-port": "0"], ["ftp.https-port": "0", "ftp.tls-control": "off", "ftp.tls-data": "off"],
    ])
    func eachCommandAfterACut(settings: [String: String]) async throws {
        let shop = try await Shop.open(settings)
        let seed = UInt64.random(in: 0 ... .max)
        print("cut at random bytes with seed \(seed)")
        var state = seed
        for tool in ["curl", "wget", "lftp"] {
            let (reply, home) = try await shop.order()
            try await shop.run(tool, reply, home)
            for file in ["docs/large file.bin", "x'\u{301};touch pwned;'\u{301}"] {
                let path = home("ffs-\(reply.account)/kit-1/\(file)")
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let left = Int(state >> 33) % (try Files.size(path))
                try await command("truncate", "-s", "\(left)", path).succeeded()
                try await shop.run(tool, reply, home)
            }
            try await shop.run(tool, reply, home)
        }
        try await shop.system.stop()
    }

    /// A name that is no text arrives byte by byte.
    @Test func namesThatAreNoText() async throws {
        let shop = try await Shop.open([:])
        let odd = try TemporaryDirectory("odd")
        try await command(
            "sh", "-c", "printf x >\"$(printf '\\377\\302\\205;touch pwned')\"", directory: odd.path
        ).succeeded()
        try await shop.system.ctl("product", "publish", "odd", "1", odd.path).succeeded()
        try await shop.system.ctl("entitlement", "grant", Shop.customer, "odd").succeeded()
        let (reply, home) = try await shop.order("odd")
        let line = try #require(reply.commands.first { $0.tool == "curl" }).command
        for _ in 0..<2 {
            try await command("sh", "-c", line, environment: ["HOME": home.path], directory: home.path).succeeded()
        }
        try await command("diff", "-r", odd.path, home("ffs-\(reply.account)/odd-1")).succeeded()
        try await shop.system.stop()
    }
}
