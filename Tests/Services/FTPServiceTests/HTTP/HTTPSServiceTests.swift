import FFSModel
import FTPService
import Foundation
import Logging
import StoredFormats
import Synchronization
import SystemSupport
import TLSEngine
import TestSupport
import Testing

/// The HTTPS side of a worker, in this process, fetched from by curl.
@Suite struct HTTPSServiceTests {
    private final class Server: Sendable {
        let service: HTTPSService
        let fixture: AccountFixture
        let port: Int
        let transferLog: String
        private let isAccepting = Mutex(true)

        init(_ files: [String: [UInt8]], change: (inout HTTPSSettings) -> Void = { _ in }) async throws {
            fixture = try AccountFixture(files)
            port = try Ports.one()
            transferLog = fixture.directory(".xferlog")
            let certificate = fixture.directory(".cert.pem")
            let key = fixture.directory(".key.pem")
            try await command([
                "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                "-keyout", key, "-out", certificate,
            ]).succeeded()
            let credentials = try TLSCredentials(
                certificatePEM: Array(Data(contentsOf: URL(fileURLWithPath: certificate))),
                privateKeyPEM: Array(Data(contentsOf: URL(fileURLWithPath: key))))
            var settings = HTTPSSettings()
            change(&settings)
            service = try HTTPSService(
                worker: 0, settings: settings, area: fixture.area(),
                tls: TLSContext(server: [credentials], protocols: ["h2", "http/1.1"]),
                ledger: Ledger(SharedCounters(secret: 1), column: 0),
                log: WorkerLog(
                    logger: Logger(label: "test"),
                    transferLog: LentDescriptor(
                        Descriptor.open(CPath(transferLog), [.write, .create, .append], permissions: 0o600))))
            let address = try #require(TCPAddress(bytes: [127, 0, 0, 1], port: UInt16(port)))
            let listener = try Descriptor.listen(address, backlog: 100)
            let number = listener.release()
            // Accepts as a worker does.
            try SystemThread(name: "accept") { [self] in
                let listener = Descriptor(owning: number)
                while isAccepting.withLock({ $0 }) {
                    guard let accepted = try? listener.accept() else {
                        SystemClock.sleep(nanoseconds: 2_000_000)
                        continue
                    }
                    let peer = accepted.peer
                    service.serve(accepted.take(), from: peer)
                }
            }.detach()
        }

        func drain() {
            isAccepting.withLock { $0 = false }
            service.drain {}
        }

        /// Ends the threads, which keep this and the account's files otherwise.
        func stop() async {
            isAccepting.withLock { $0 = false }
            await service.stop()
        }

        /// Runs curl on `path` below the account.
        func curl(_ path: String, _ options: [String] = [], user: String? = nil) async throws -> CommandResult {
            let user = user ?? "\(fixture.account):\(fixture.password)"
            return try await command(
                ["curl", "-sk", "--user", user] + options + ["https://127.0.0.1:\(port)/a/\(fixture.account)\(path)"])
        }
    }

    private static let big = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }

    @Test(arguments: ["--http1.1", "--http2"])
    func aFileArrivesWhole(_ version: String) async throws {
        let server = try await Server(["p-1/big.bin": Self.big])
        let result = try await server.curl("/p-1/big.bin", [version, "-w", "%{stderr}%{http_version} %{http_code}"])
        #expect(result.outputBytes == Self.big)
        #expect(result.errorOutput == (version == "--http2" ? "2 200" : "1.1 200"))
        let head = try await server.curl("/p-1/big.bin", [version, "-I"])
        let digest = ContentDigest.sha256(of: Self.big)
        #expect(head.output.lowercased().contains("etag: \"\(digest)\""))
        #expect(head.output.contains("\(Self.big.count)"))
        await server.stop()
        let log = try String(contentsOfFile: server.transferLog, encoding: .utf8)
        #expect(
            log.contains(" 127.0.0.1 \(Self.big.count) /p-1/big.bin b _ o r \(server.fixture.account) https 0 * c\n"))
    }

    @Test func rangesAndResumption() async throws {
        let server = try await Server(["p-1/big.bin": Self.big])
        #expect(
            try await server.curl("/p-1/big.bin", ["-r", "1000-1999"]).outputBytes == Array(Self.big[1_000..<2_000]))
        #expect(try await server.curl("/p-1/big.bin", ["-r", "-5"]).outputBytes == Array(Self.big.suffix(5)))
        let multi = try await server.curl("/p-1/big.bin", ["-i", "-r", "0-1,9-9"]).output
        #expect(multi.contains("206") && multi.contains("content-range: bytes 9-9/3000000"))
        #expect(
            try await server.curl("/p-1/big.bin", ["-o", "/dev/null", "-w", "%{http_code}", "-r", "3000000-"]).trimmed
                == "416")
        let etag = "\"\(ContentDigest.sha256(of: Self.big))\""
        let fresh = try await server.curl(
            "/p-1/big.bin", ["-o", "/dev/null", "-w", "%{http_code}", "-H", "If-None-Match: \(etag)"])
        #expect(fresh.trimmed == "304")
        await server.stop()
    }

    @Test func refusalsLookTheSame() async throws {
        let server = try await Server(["p-1/a": [1]])
        let other = "bbbbbbbbbbbbbbbb"
        for user in ["\(server.fixture.account):wrong", "\(other):\(server.fixture.password)", "\(other):x"] {
            let result = try await server.curl("/p-1/a", ["-i"], user: user)
            #expect(result.output.hasPrefix("HTTP/2 401"))
            #expect(result.output.contains("www-authenticate: Basic"))
        }
        await server.stop()
    }

    @Test(arguments: [
        ("/p-1/none", "404"), ("/p-1/a/", "404"), ("/p-1", "301"), ("/../../etc/passwd", "404"),
        ("/p-1/%2e%2e/%2e%2e/record", "404"), ("/p-1/a%00", "400"), ("/p-1%2Fa", "400"), ("/p-1/link", "404"),
        ("/p-1/outside/passwd", "404"),
    ])
    func pathsThatNameNothing(_ path: String, _ status: String) async throws {
        let server = try await Server(["p-1/a": [1]])
        let root = server.fixture.directory("\(server.fixture.account)/root/p-1")
        #expect(symlink("/etc/passwd", "\(root)/link") == 0 && symlink("/etc", "\(root)/outside") == 0)
        let result = try await server.curl(path, ["--path-as-is", "-o", "/dev/null", "-w", "%{http_code}"])
        #expect(result.trimmed == status)
        await server.stop()
    }

    /// People get a page, under the policy of the directory pages; programs the sentence.
    @Test func browsersGetRefusalsAsPages() async throws {
        let server = try await Server(["p-1/a": [1]])
        let page = try await server.curl("/p-1/none", ["-i", "-H", "Accept: text/html,*/*;q=0.8"]).output
        #expect(page.hasPrefix("HTTP/2 404") && page.contains("content-type: text/html; charset=utf-8"))
        #expect(page.contains("content-security-policy: default-src 'none'"))
        #expect(page.contains("<h1>Not Found</h1>") && page.contains("<p>There is no such file in this account.</p>"))
        let plain = try await server.curl("/p-1/none")
        #expect(plain.output == "There is no such file in this account.\n")
        await server.stop()
    }

    @Test func methodsThatWriteAreRefused() async throws {
        let server = try await Server(["p-1/a": [1]])
        for method in ["PUT", "POST", "DELETE", "PATCH", "OPTIONS", "MKCOL"] {
            let result = try await server.curl("/p-1/a", ["-i", "-X", method, "-d", "x"])
            #expect(result.output.contains("405") && result.output.contains("allow: GET, HEAD"), "\(method)")
        }
        await server.stop()
    }

    @Test func directories() async throws {
        let server = try await Server(["p-1/<b>&.txt": [1, 2], "p-1/sub/x": [3]])
        let page = try await server.curl("/p-1/").output
        #expect(page.contains("&lt;b&gt;&amp;.txt") && page.contains("href=\"./sub/\"") && !page.contains("<b>"))
        let json = try await server.curl("/p-1/?format=json").output
        let parsed = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        let entries = try #require(parsed["entries"] as? [[String: Any]])
        #expect(entries.count == 2 && entries[0]["sha256"] as? String == "\(ContentDigest.sha256(of: [1, 2]))")
        await server.stop()
    }

    /// Where staging wrote down what a folder holds, nobody looks at its files; what it left open is looked at.
    @Test func aListingIsReadFromTheIndex() async throws {
        let server = try await Server(["p-1/a": [1, 2], "p-1/b": [3]])
        let digest = ContentDigest.sha256(of: [9])
        try server.fixture.index("p-1", [("a", 1_000_000_000, digest), ("b", nil, digest)])
        let json = try await server.curl("/p-1/?format=json").output
        #expect(
            json.contains(
                "{\"name\":\"a\",\"type\":\"file\",\"modified\":\"2001-09-09T01:46:40Z\",\"size\":4711,\"sha256\":\"\(ContentDigest.sha256(of: [9]))\"}"
            ))
        #expect(json.contains("\"size\":1,\"sha256\":\"\(ContentDigest.sha256(of: [9]))\"}"))
        // A folder that the index lacks is read.
        #expect(try await server.curl("/?format=json").output.contains("\"name\":\"p-1\",\"type\":\"directory\""))
        await server.stop()
    }

    /// However many names there are, each file's digest is in the JSON.
    @Test func everyNameHasItsDigest() async throws {
        var files: [String: [UInt8]] = [:]
        for number in 0..<2_500 { files["p-1/name \(number)"] = Array("\(number)".utf8) }
        let server = try await Server(files)
        for _ in 0..<2 {
            let json = try await server.curl("/p-1/?format=json", ["--http1.1"]).output
            let parsed = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
            let entries = try #require(parsed["entries"] as? [[String: Any]])
            #expect(entries.count == files.count)
            for entry in entries {
                let content = files["p-1/\(entry["name"] as? String ?? "")"] ?? []
                #expect(entry["sha256"] as? String == "\(ContentDigest.sha256(of: content))")
            }
        }
        await server.stop()
    }

    @Test func anAccountThatVanishesIsClosed() async throws {
        let server = try await Server(["p-1/a": [1]])
        #expect(try await server.curl("/p-1/a").outputBytes == [1])
        let record = server.fixture.directory("\(server.fixture.account)/record")
        try FileManager.default.removeItem(atPath: record)
        #expect(try await server.curl("/p-1/a", ["-o", "/dev/null", "-w", "%{http_code}"]).trimmed == "401")
        await server.stop()
    }

    /// What a connection sends again is compared with the record as it is then.
    @Test func aChangedPasswordIsNoticedOnAKeptConnection() async throws {
        let server = try await Server(["p-1/a": [1]])
        let again = "https://127.0.0.1:\(server.port)/a/\(server.fixture.account)/p-1/a"
        async let both = server.curl(
            "/p-1/a",
            [
                "--http1.1", "--rate", "1/s", "-w", "%{http_code} %{num_connects}\n", "-o", "/dev/null", again, "-o",
                "/dev/null",
            ])
        try await eventually("the first is answered") { (try? Files.size(server.transferLog)) ?? 0 > 0 }
        try server.fixture.setPassword("another")
        #expect(try await both.output == "200 1\n401 0\n")
        await server.stop()
    }

    @Test func connectionsPerAddressAreLimited() async throws {
        let server = try await Server(["p-1/big.bin": Self.big]) { $0.limits.perAddress = 1 }
        async let slow = server.curl("/p-1/big.bin", ["--limit-rate", "1M"])
        try await eventually("the slow one is connected") { await server.service.connectionCount() == 1 }
        let refused = try await server.curl("/p-1/big.bin", ["-i"])
        #expect(refused.output.hasPrefix("HTTP/2 429") && refused.output.contains("retry-after: 30"))
        #expect(try await slow.outputBytes == Self.big)
        await server.stop()
    }

    /// A rolling restart cuts no download, and idle connections do not hold it up.
    @Test func drainingLetsAnAnswerEnd() async throws {
        let server = try await Server(["p-1/big.bin": Self.big])
        let part = server.fixture.directory(".part")
        async let slow = server.curl("/p-1/big.bin", ["-S", "--http2", "--limit-rate", "1M", "-o", part])
        let idle = Task {
            try await command([
                "timeout", "20", "openssl", "s_client", "-quiet", "-connect", "127.0.0.1:\(server.port)",
            ])
        }
        try await eventually("both are connected") { await server.service.connectionCount() == 2 }
        // Connected is not yet asked.
        try await eventually("the file comes") { (try? Files.size(part)) ?? 0 > 0 }
        server.drain()
        try await Task.sleep(for: .milliseconds(50))
        #expect(try await server.curl("/p-1/big.bin").status == 7)
        let whole = try await slow
        #expect(whole.status == 0, "\(whole)")
        #expect(try Array(Data(contentsOf: URL(fileURLWithPath: part))) == Self.big)
        #expect(try await idle.value.status != 124)
        await server.stop()
    }
}
