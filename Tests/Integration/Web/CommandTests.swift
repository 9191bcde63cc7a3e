import FoundationEssentials
import TestSupport
import Testing

/// The commands that the web front offers, pasted into a shell as they are, against the real download server.
@Suite(.delivered, .timeLimit(.minutes(5)))
struct CommandTests {
    private struct Reply: Decodable {
        struct Command: Decodable {
            let tool: String
            let command: String
        }
        let account: String
        let commands: [Command]
    }

    private func order() async throws -> (Reply, TemporaryDirectory) {
        let system = try Delivery.shared.system
        let token = try await Delivery.signIn(to: system)
        let body = #"{"items": [{"product": "\#(Delivery.product)", "version": "\#(Delivery.version)"}]}"#
        let reply = try await system.curl([
            "--fail-with-body", "--json", body, "-H", "Authorization: Bearer \(token)",
            "\(system.webURL)/api/v1/accounts",
        ]).succeeded()
        let home = try TemporaryDirectory("shell")
        // As the page says: save the certificate beside where the commands run.
        try await system.curl(
            ["--fail", "--output", home("ffs-certificate.pem"), "\(system.webURL)/certificate.pem"]
        ).succeeded()
        return (try JSONDecoder().decode(Reply.self, from: Data(reply.outputBytes)), home)
    }

    @Test(arguments: ["lftp", "wget"]) func fetchTheWholeAccount(tool: String) async throws {
        let (reply, home) = try await order()
        let environment = ["HOME": home.path]
        for name in [tool, "sha256sum"] {
            let line = try #require(reply.commands.first { $0.tool == name }).command
            try await command("sh", "-c", line, environment: environment, directory: home.path).succeeded()
        }
        try await Delivery.shared.compare(home("ffs-\(reply.account)"))
    }

    @Test func curlFetchesTheChecksums() async throws {
        let (reply, home) = try await order()
        let line = try #require(reply.commands.first { $0.tool == "curl" }).command
        try await command("sh", "-c", line, environment: ["HOME": home.path], directory: home.path).succeeded()
        #expect(try Files.read(home("ffs-\(reply.account)/SHA256SUMS")).contains("\(Delivery.folder)/image.bin"))
    }
}
