import Commlink
import FFSModel
import Glibc
import Requests
import TestSupport
import Testing
import Tobj

@testable import CommlinkTransport

@Suite("what a server refuses, and how it shows", .timeLimit(.minutes(2)))
struct RefusalTests {
    private static func hello(_ bag: KeyBag, port: UInt16, index: Int? = nil, id: BagID? = nil) throws -> String {
        var random = SystemRandomNumberGenerator()
        let (_, line) = try ClientConnection.start(bag: bag, localPort: port, documentLimit: 100, random: &random)
        var fields = String(decoding: line, as: UTF8.self).split(separator: " ").map(String.init)
        if let index { fields[3] = "\(index)" }
        if let id { fields[1] = "\(id)" }
        return fields.joined(separator: " ")
    }

    @Test("unknown bag, wrong index, other keys, another port: no byte, the same delay, four reasons in the log")
    func uniform() async throws {
        let directory = try KeyDirectory()
        let bag = try directory.writeBag()
        let stranger = try KeyDirectory()
        let other = try stranger.writeBag()
        let pages = LogBook.Pages()
        let running = try await RunningServer(
            try directory.store(), table(Ledger()), logger: LogBook.logger(pages))
        let port = running.ports.lowerBound
        let cases: [@Sendable (UInt16) throws -> String] = [
            { try Self.hello(other, port: $0) },
            { try Self.hello(bag, port: $0, index: (Int($0) + 1) % bag.count) },
            { try Self.hello(other, port: $0, id: bag.id) },
            { try Self.hello(bag, port: $0 ^ 2) },
        ]
        for make in cases {
            let (bytes, elapsed) = try await blocking {
                let socket = try RawSocket(port: port)
                let start = ContinuousClock.now
                socket.send(try make(socket.localPort))
                return (socket.receiveAll(), ContinuousClock.now - start)
            }
            #expect(bytes == [])
            #expect(elapsed > .milliseconds(490))
        }
        let log = pages.all
        for code in ["unknown-bag", "wrong-index", "authentication", "port-mismatch"] {
            #expect(log.contains { $0.contains("connection refused") && $0.contains("code=\(code)") }, "\(log)")
        }
        #expect(log.contains { $0.contains("NAT") && $0.contains("peer=127.0.0.1:") })
        try await running.stop()
    }

    @Test(
        "a line that is not FFS/2 closes the connection at once, with its reason in the log",
        arguments: [
            ("GET / HTTP/1.1\r\n", "malformed-hello"), ("FFS2 x\r\n", "malformed-hello"), ("\n", "bare-lf"),
            ("a\rb\r\n", "bare-cr"), ("\u{E9}\r\n", "eight-bit"), (String(repeating: "A", count: 600), "line-too-long"),
        ])
    func malformed(_ text: String, _ code: String) async throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        let pages = LogBook.Pages()
        var settings = CommlinkSettings()
        settings.refusalDelay = 60_000
        settings.helloTimeout = 60
        let running = try await RunningServer(
            try directory.store(), table(Ledger()), settings: settings, logger: LogBook.logger(pages))
        let port = running.ports.lowerBound
        let (bytes, elapsed) = try await blocking {
            let socket = try RawSocket(port: port)
            let start = ContinuousClock.now
            socket.send(text)
            return (socket.receiveAll(), ContinuousClock.now - start)
        }
        #expect(bytes == [])
        // Neither the delay of a refused handshake nor the hello's timeout.
        #expect(elapsed < .seconds(30))
        #expect(pages.all.contains { $0.contains("code=\(code)") && $0.contains("peer=127.0.0.1:") })
        try await running.stop()
    }

    @Test("a packet after the hello that does not verify ends the connection and runs nothing")
    func forgedPacket() async throws {
        let directory = try KeyDirectory()
        let bag = try directory.writeBag()
        let ledger = Ledger()
        let running = try await RunningServer(try directory.store(), table(ledger))
        let port = running.ports.lowerBound
        let bytes = try await blocking {
            let socket = try RawSocket(port: port)
            socket.send(try Self.hello(bag, port: socket.localPort))
            guard let greeting = socket.receive(), greeting.starts(with: "FFS2 ".utf8) else { return [UInt8]?.none }
            socket.send(Base64.encode([UInt8](repeating: 7, count: 64)) + [0x0D, 0x0A])
            return socket.receiveAll()
        }
        #expect(bytes == [])
        #expect(ledger.total == 0)
        try await running.stop()
    }

    @Test("silence, and a line that trickles, run into their timeouts")
    func timeouts() async throws {
        let directory = try KeyDirectory()
        let bag = try directory.writeBag()
        var settings = CommlinkSettings()
        settings.helloTimeout = 1
        settings.progressTimeout = 1
        let pages = LogBook.Pages()
        let running = try await RunningServer(
            try directory.store(), table(Ledger()), settings: settings, logger: LogBook.logger(pages))
        let port = running.ports.lowerBound
        let silent = try await blocking {
            let socket = try RawSocket(port: port)
            let start = ContinuousClock.now
            _ = socket.receiveAll()
            return ContinuousClock.now - start
        }
        #expect(silent > .milliseconds(900))
        // An open connection may be idle for long, but not inside a line.
        let trickle = try await blocking { () -> Duration in
            let socket = try RawSocket(port: port)
            socket.send(try Self.hello(bag, port: socket.localPort))
            _ = socket.receive()
            let start = ContinuousClock.now
            socket.send("AAAA")
            _ = socket.receiveAll()
            return ContinuousClock.now - start
        }
        #expect(trickle > .milliseconds(900))
        #expect(pages.all.count { $0.contains("code=timeout") } == 2)
        try await running.stop()
    }

    @Test("over commlink.connections who says hello is turned away, and told so; those who are in go on")
    func full() async throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        let keys = try directory.store()
        var settings = CommlinkSettings()
        settings.maxConnections = 1
        let pages = LogBook.Pages()
        let running = try await RunningServer(
            keys, table(Ledger()), settings: settings, logger: LogBook.logger(pages))
        let client = running.client(keys)
        _ = try await client.send(Ping())
        let second = running.client(keys)
        await #expect { _ = try await second.send(Ping()) } throws: { error in
            (error as? Failure)?.code == .unreachable && "\(error)".contains("commlink.connections")
                && !"\(error)".contains("compare the bags")
        }
        #expect(pages.all.contains { $0.contains("code=full") })
        _ = try await client.send(Ping())
        await second.close()
        await client.close()
        try await running.stop()
    }

    /// Hundreds of TCP connections of several addresses that say nothing: whoever holds the key gets through, again and
    /// again.
    @Test("connections without a hello shut nobody out; the oldest of them are cut")
    func silentFlood() async throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        let keys = try directory.store()
        let pages = LogBook.Pages()
        let running = try await RunningServer(keys, table(Ledger()), logger: LogBook.logger(pages))
        let port = running.ports.lowerBound
        let first = try await blocking { try RawSocket(port: port) }
        let others = try await blocking {
            try (1...512).map { try RawSocket(port: port, from: 1 + UInt8($0 % 8)) }
        }
        for _ in 0..<10 {
            let client = running.client(keys)
            _ = try await client.send(Ping())
            await client.close()
        }
        #expect(try await blocking { first.receiveAll() } == [])
        #expect(pages.all.contains { $0.contains("code=strangers") })
        #expect(!pages.all.contains { $0.contains("compare") })
        withExtendedLifetime(others) {}
        try await running.stop()
    }

    @Test("a document that is not Tobj gets an error reply; the connection goes on")
    func notTobj() async throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        let keys = try directory.store()
        let running = try await RunningServer(keys, table(Ledger()))
        let bag = try keys.offered()
        let port = running.ports.lowerBound
        let replies = try await blocking { () -> [Document] in
            let socket = try RawSocket(port: port)
            var random = SystemRandomNumberGenerator()
            var (client, hello) = try ClientConnection.start(
                bag: bag, localPort: socket.localPort, documentLimit: 1 << 20, random: &random)
            socket.send(hello)
            var replies: [Document] = []
            let requests = [
                "<tobj>", "<tobj type=\"ping\" id=\"0123456789abcdef0123456789abcdef\"/>",
                "<tobj type=\"ping\" id=\"0123456789abcdef0123456789abcdef\" v=\"1\" status=\"ok\"/>",
                "<tobj type=\"ping\" id=\"0123456789abcdef0123456789abcdef\" v=\"1\"><x/></tobj>",
                "<tobj type=\"p&#xA;ng\" id=\"0123456789abcdef0123456789abcde0\" v=\"1\"/>",
                "<tobj type=\"ping\" id=\"1123456789abcdef0123456789abcdef\" v=\"1\"/>",
            ]
            var opened = false
            while replies.count < requests.count, let part = socket.receive(), !part.isEmpty {
                part.withUnsafeBytes { client.receive($0) }
                while let event = try client.next() {
                    if case .document(let bytes) = event { replies.append(try Document(bytes: bytes)) }
                    if case .opened = event { opened = true }
                }
                if opened, replies.count < requests.count {
                    var out: [UInt8] = []
                    try client.send(Array(requests[replies.count].utf8), random: &random, into: &out)
                    socket.send(out)
                }
            }
            return replies
        }
        try #require(replies.count == 6)
        for reply in replies.prefix(4) {
            guard case .error(let failure)? = reply.status else {
                Issue.record("\(reply)")
                continue
            }
            #expect(failure.code == .badRequest)
        }
        // The sender can tell which request it was, where the document had an id.
        #expect(replies[0].id == RequestID(high: 0, low: 0))
        #expect(replies[1].id == RequestID("0123456789abcdef0123456789abcdef"))
        guard case .error(let failure)? = replies[4].status else {
            Issue.record("an unknown type was served")
            return
        }
        #expect(failure.code == .notServed && !failure.text.contains("\n"))
        #expect(replies[5].status == .ok)
        try await running.stop()
    }

    @Test("a client that says close gets the replies under way, then close, then the end")
    func orderlyClose() async throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        let keys = try directory.store()
        let running = try await RunningServer(keys, table(Ledger()))
        let bag = try keys.offered()
        let port = running.ports.lowerBound
        let slow = Document(request: "auth.password", body: try change("sleep 200").body)
        let events = try await blocking { () -> [ClientConnection.Event] in
            let socket = try RawSocket(port: port)
            var random = SystemRandomNumberGenerator()
            var (client, hello) = try ClientConnection.start(
                bag: bag, localPort: socket.localPort, documentLimit: 1 << 20, random: &random)
            socket.send(hello)
            var events: [ClientConnection.Event] = []
            while let part = socket.receive() {
                if part.isEmpty {
                    try client.end()
                    return events
                }
                part.withUnsafeBytes { client.receive($0) }
                while let event = try client.next() {
                    events.append(event)
                    guard event == .opened else { continue }
                    var out: [UInt8] = []
                    try client.send(slow.serialized(), random: &random, into: &out)
                    try client.sendClose(random: &random, into: &out)
                    socket.send(out)
                }
            }
            return events
        }
        try #require(events.count == 3)
        #expect(events[0] == .opened && events[2] == .closed)
        try await running.stop()
    }

    @Test("a range of which one port is taken is not served at all; the error names the port")
    func portTaken() async throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        let keys = try directory.store()
        let range = try Ports.range(3)
        let middle = range.lowerBound + 1
        let running = try await RunningServer(keys, table(Ledger()), ports: middle...middle)
        let second = CommlinkServer(
            link: .webInternal, address: "127.0.0.1", ports: range, bags: keys, settings: CommlinkSettings(),
            table: table(Ledger()), logger: quiet)
        await #expect { try await second.bind() } throws: { error in
            (error as? Failure)?.code == .busy && "\(error)".contains("port \(middle)")
        }
        #expect(throws: (any Error).self) { _ = try RawSocket(port: range.lowerBound) }
        try await running.stop()
    }

    @Test("a peer that takes no replies is cut off; others go on")
    func stuckPeer() async throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        let keys = try directory.store()
        var settings = CommlinkSettings()
        settings.progressTimeout = 1
        let pages = LogBook.Pages()
        let running = try await RunningServer(
            keys, table(Ledger()), settings: settings, logger: LogBook.logger(pages))
        let bag = try keys.offered()
        let port = running.ports.lowerBound
        try await blocking {
            let socket = try RawSocket(port: port)
            var random = SystemRandomNumberGenerator()
            var (client, hello) = try ClientConnection.start(
                bag: bag, localPort: socket.localPort, documentLimit: 1 << 20, random: &random)
            socket.send(hello)
            (socket.receive() ?? []).withUnsafeBytes { client.receive($0) }
            _ = try client.next()
            // 64 replies of 300 KB: far more than the sockets' buffers hold.
            var out: [UInt8] = []
            for _ in 0..<64 {
                let request = Document(request: "auth.entitlements", body: [.field("customer", "acme")])
                try client.send(request.serialized(), random: &random, into: &out)
            }
            socket.send(out)
            let deadline = ContinuousClock.now + .seconds(15)
            while !pages.all.contains(where: { $0.contains("code=timeout") }) {
                guard ContinuousClock.now < deadline else { throw TestFailure("never cut off") }
                _ = usleep(50_000)
            }
        }
        let client = running.client(keys)
        _ = try await client.send(Ping())
        await client.close()
        try await running.stop()
    }

    @Test("a daemon that hangs does not hold a client for a timeout of each of its ports")
    func silentServer() async throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        let keys = try directory.store()
        let range = try Ports.range(8)
        var settings = CommlinkSettings()
        settings.helloTimeout = 1
        let listeners = try range.map { try RawSocket(listeningOn: $0) }
        let client = CommlinkClient(
            link: .webInternal, host: "127.0.0.1", ports: range, bags: keys, settings: settings, logger: quiet)
        await #expect { _ = try await client.send(Ping()) } throws: { error in
            (error as? Failure)?.code == .unreachable && "\(error)".contains("hangs")
        }
        // Two were tried, each at the cost of the timeout.
        #expect(listeners.count { $0.hasCaller } == 2)
        await client.close()
    }
}
