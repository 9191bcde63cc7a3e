import Commlink
import FFSModel
import Requests
import TestSupport
import Testing

@testable import CommlinkTransport

/// Tests/Integration/Clients/ffs2.py, a client that shares no code with FFS, against the server.
@Suite("an independent client; NAT", .timeLimit(.minutes(2)))
struct IndependentClientTests {
    private func ffs2(_ directory: KeyDirectory, _ port: Int, _ words: String...) async throws -> CommandResult {
        try await command(
            [
                "/usr/bin/python3", "\(Project.root)/Tests/Integration/Clients/ffs2.py", "--bag",
                "\(directory.path)/web-internal",
                "--port", "\(port)",
            ] + words)
    }

    @Test("ping, a request with fields, an id sent twice, a document of many packets, an error")
    func requests() async throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        let ledger = Ledger()
        let running = try await RunningServer(try directory.store(), table(ledger))
        let port = running.ports.lowerBound
        let pong = try await ffs2(directory, port, "--count", "3", "ping").succeeded()
        #expect(pong.output.lines.count == 3)
        #expect(pong.output.contains("<daemon>ffstest</daemon>"))
        let id = "0123456789abcdef0123456789abcdef"
        let words = [
            "--id", id, "auth.password", "customer=acme", "password=x", "new-password=y", "source=caf\u{E9} & <tag>",
        ]
        let first = try await ffs2(directory, port, words[0], words[1], words[2], words[3], words[4], words[5])
            .succeeded()
        let second = try await ffs2(directory, port, words[0], words[1], words[2], words[3], words[4], words[5])
            .succeeded()
        #expect(first.output == second.output)
        #expect(ledger.count(try #require(RequestID(id))) == 1)
        let large = try await ffs2(directory, port, "auth.entitlements", "customer=acme").succeeded()
        #expect(large.output.utf8.count > 200_000)
        let refused = try await ffs2(
            directory, port, "auth.password", "customer=acme", "password=x", "new-password=y", "source=fail busy")
        #expect(refused.status == 1)
        #expect(refused.output.contains("code=\"busy\" retry=\"later\""))
        try await running.stop()
    }

    @Test("an announced port that is not the connection's: strict refuses, announced serves")
    func announcedPort() async throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        let keys = try directory.store()
        var settings = CommlinkSettings()
        let strict = try await RunningServer(keys, table(Ledger()), settings: settings)
        settings.portCheck = .announced
        let announced = try await RunningServer(keys, table(Ledger()), settings: settings)
        let refused = try await ffs2(directory, strict.ports.lowerBound, "--announce", "45678", "ping")
        #expect(refused.status == 3)
        try await ffs2(directory, announced.ports.lowerBound, "--announce", "45678", "ping").succeeded()
        try await strict.stop()
        try await announced.stop()
    }

    @Test("behind a NAT that rewrites ports: strict fails closed and both ends' errors name NAT; announced works")
    func nat() async throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        let keys = try directory.store()
        let pages = LogBook.Pages()
        let ledger = Ledger()
        var settings = CommlinkSettings()
        let strict = try await RunningServer(keys, table(ledger), settings: settings, logger: LogBook.logger(pages))
        let rewriter = try await PortRewriter(to: strict.ports.lowerBound)
        let client = CommlinkClient(
            link: keys.link, host: "127.0.0.1", ports: rewriter.port...rewriter.port, bags: keys, settings: settings,
            logger: quiet)
        await #expect { _ = try await client.send(change()) } throws: { error in
            (error as? Failure)?.code == .unreachable && "\(error)".contains("NAT")
        }
        #expect(pages.all.contains { $0.contains("code=port-mismatch") && $0.contains("NAT") })
        #expect(ledger.total == 0)
        await client.close()
        try await rewriter.stop()
        try await strict.stop()

        settings.portCheck = .announced
        let announced = try await RunningServer(keys, table(ledger), settings: settings)
        let second = try await PortRewriter(to: announced.ports.lowerBound)
        let through = CommlinkClient(
            link: keys.link, host: "127.0.0.1", ports: second.port...second.port, bags: keys, settings: settings,
            logger: quiet)
        _ = try await through.send(change())
        #expect(ledger.total == 1)
        await through.close()
        try await second.stop()
        try await announced.stop()
    }
}
