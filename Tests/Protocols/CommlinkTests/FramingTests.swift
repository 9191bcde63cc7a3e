import FFSModel
import Testing

@testable import Commlink

@Suite("lines, hellos, packets, documents")
struct FramingTests {
    @Test("lines come out whole however the bytes are cut")
    func cuts() throws {
        let stream = Array("one\r\n\r\nthree\r\nrest".utf8)
        for size in 1...stream.count {
            var framer = LineFramer()
            var lines: [String] = []
            for start in stride(from: 0, to: stream.count, by: size) {
                Array(stream[start..<min(stream.count, start + size)]).withUnsafeBytes { framer.append($0) }
                while let line = try framer.next(limit: 5) { lines.append(String(decoding: line, as: UTF8.self)) }
            }
            #expect(lines == ["one", "", "three"])
            #expect(framer.isInsideLine)
        }
    }

    @Test(
        "what is not a line is refused",
        arguments: [
            ("a\nb\r\n", WireError.bareLineFeed), ("\n", .bareLineFeed), ("a\rb\r\n", .bareCarriageReturn),
            ("\r\r\n", .bareCarriageReturn), ("caf\u{E9}\r\n", .eightBit), ("123456\r\n", .lineTooLong(limit: 5)),
            ("123456", .lineTooLong(limit: 5)),
        ])
    func refusedLines(_ text: String, _ error: WireError) {
        var framer = LineFramer()
        Array(text.utf8).withUnsafeBytes { framer.append($0) }
        #expect(throws: error) { _ = try framer.next(limit: 5) }
    }

    @Test("an over-long line is refused before it ends, and memory stays bounded")
    func flood() {
        var framer = LineFramer()
        let part = [UInt8](repeating: 0x41, count: 1_000)
        var fed = 0
        #expect(throws: WireError.lineTooLong(limit: CommlinkLimits.line)) {
            while fed < 1 << 20 {
                part.withUnsafeBytes { framer.append($0) }
                fed += part.count
                _ = try framer.next(limit: CommlinkLimits.line)
            }
        }
        #expect(fed <= CommlinkLimits.line + 2 * part.count)
    }

    @Test(
        "a hello has one form alone",
        arguments: [
            "", "FFS2", "FFS1 {id} 40000 10 {m}", "ffs2 {id} 40000 10 {m}", " FFS2 {id} 40000 10 {m}",
            "FFS2  {id} 40000 10 {m}", "FFS2 {id} 40000 10 {m} ", "FFS2 {id} 40000 10 {m} x", "FFS2 {id} 40000 10",
            "FFS2 {ID} 40000 10 {m}", "FFS2 {id}0 40000 10 {m}", "FFS2 {id} 040000 10 {m}", "FFS2 {id} +40000 10 {m}",
            "FFS2 {id} -1 10 {m}", "FFS2 {id} 0 0 {m}", "FFS2 {id} 65536 2 {m}", "FFS2 {id} 105536 10 {m}",
            "FFS2 {id} 40000 010 {m}", "FFS2 {id} 40000 10. {m}", "FFS2 {id} 40000 10 {m}AAAA",
            "FFS2 {id} 40000 10 AAAA",
            "FFS2 {id} 40000 10 {u}", "FFS2\t{id}\t40000\t10\t{m}", "GET / HTTP/1.1", "\u{16}\u{3}\u{1}",
        ])
    func malformedHellos(_ template: String) throws {
        let bag = try makeBag()
        let pair = try Pair(bag: bag)
        let message = String(decoding: pair.hello.split(separator: UInt8(ascii: " "))[4].dropLast(2), as: UTF8.self)
        var line = template
        for (key, value) in [
            ("{id}", "\(bag.id)"), ("{ID}", "\(bag.id)".uppercased()), ("{m}", message),
            // The same bytes, written without padding or with stray bits: not canonical.
            ("{u}", message.dropLast() + "="),
        ] {
            while let range = line.firstRange(of: key) { line.replaceSubrange(range, with: value) }
        }
        // The one with capitals is only wrong when the id has letters.
        if template.contains("{ID}"), !"\(bag.id)".contains(where: \.isLetter) { return }
        var random = Seeded(9)
        var server = ServerConnection(peerPort: 40_000, portCheck: .strict, documentLimit: 1 << 20)
        server.feed(Array("\(line)\r\n".utf8))
        #expect(throws: WireError.malformedHello) { _ = try server.next(ring: pair.ring, now: 0, random: &random) }
    }

    @Test("a hello of more than 512 bytes is refused before its end")
    func longHello() throws {
        let pair = try Pair(bag: try makeBag())
        var random = Seeded(9)
        var server = ServerConnection(peerPort: 40_000, portCheck: .strict, documentLimit: 1 << 20)
        server.feed([UInt8](repeating: 0x20, count: 513))
        #expect(throws: WireError.lineTooLong(limit: 510)) {
            _ = try server.next(ring: pair.ring, now: 0, random: &random)
        }
    }

    @Test("documents of every size around the fragments' edges arrive whole, byte by byte too")
    func fragments() throws {
        var pair = try Pair(bag: try makeBag())
        for size in [0, 1, 7, 8, 9, 31_999, 32_000, 32_001, 64_000, 64_001, 200_000, 1 << 20] {
            let document = String(repeating: "x", count: size)
            let bytes = try pair.fromClient(document)
            #expect(bytes.count { $0 == 0x0A } == CommlinkLimits.packets(for: size))
            let outcome = pair.serverReceives(bytes)
            #expect(outcome.documents == [document])
            #expect(outcome.error == nil)
            #expect(!pair.server.isWaitingForMore)
        }
        let bytes = try pair.fromServer(String(repeating: "y", count: 40_000))
        for byte in bytes.dropLast() {
            #expect(pair.clientReceives([byte]).documents.isEmpty)
            #expect(pair.client.isWaitingForMore)
        }
        #expect(pair.clientReceives([0x0A]).documents.first?.utf8.count == 40_000)
    }

    @Test("a document over the limit is refused by its sender, and by its receiver before it is whole")
    func documentLimit() throws {
        var pair = try Pair(bag: try makeBag(), documentLimit: 70_000)
        #expect(throws: WireError.documentTooLarge(limit: 70_000)) {
            _ = try pair.fromClient(String(repeating: "x", count: 70_001))
        }
        // A client of another make keeps no such limit.
        var random = Seeded(2)
        var (client, hello) = try ClientConnection.start(
            bag: try makeBag(), localPort: 40_000, documentLimit: 1 << 20, random: &random)
        var server = ServerConnection(peerPort: 40_000, portCheck: .strict, documentLimit: 70_000)
        server.feed(hello)
        guard case .greeted(let line)? = try server.next(ring: pair.ring, now: 0, random: &random) else {
            Issue.record("no hello")
            return
        }
        client.feed(line)
        _ = try client.next()
        var bytes: [UInt8] = []
        try client.send([UInt8](repeating: 0x78, count: 100_000), random: &random, into: &bytes)
        // Three packets of 32,000 pass 70,000 with the third of four.
        let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: true).map { Array($0) + [0x0A] }
        #expect(lines.count == 4)
        server.feed(lines[0] + lines[1])
        #expect(try server.next(ring: pair.ring, now: 0, random: &random) == nil)
        server.feed(lines[2])
        #expect(throws: WireError.documentTooLarge(limit: 70_000)) {
            _ = try server.next(ring: pair.ring, now: 0, random: &random)
        }
    }

    @Test("a verified packet that is not one of FFS/2's is refused")
    func badPackets() throws {
        func outcome(_ build: (inout PacketChannel, inout [UInt8]) throws -> Void) throws -> WireError? {
            let key = try #require(DESKey(random: 0x0123_4567_89AB_CDEF))
            let secret = [UInt8](repeating: 5, count: 32)
            func session() -> NoiseSession {
                NoiseSession(handshakeHash: [], sending: CipherState(key: secret), receiving: CipherState(key: secret))
            }
            var sender = PacketChannel(session(), key: key)
            var receiver = Channel(PacketChannel(session(), key: key), documentLimit: 1 << 20)
            var out: [UInt8] = []
            try build(&sender, &out)
            do throws(WireError) {
                for line in out.split(separator: 0x0A) { _ = try receiver.receive(line.dropLast()) }
            } catch { return error }
            return nil
        }
        #expect(try outcome { try $0.seal(.last, [1], iv: 1, into: &$1) } == nil)
        #expect(
            try outcome {
                try $0.seal(.close, [], iv: 1, into: &$1)
                try $0.seal(.last, [1], iv: 1, into: &$1)
            } == .afterClose)
        #expect(
            try outcome {
                try $0.seal(.more, [1], iv: 1, into: &$1)
                try $0.seal(.close, [], iv: 1, into: &$1)
            } == .afterClose)
        #expect(try outcome { try $0.seal(.close, [1], iv: 1, into: &$1) } == .afterClose)
        // Sealed by hand: a flag that does not exist, a packet without a block, padding that is wrong.
        func sealed(_ plain: [UInt8]) throws -> WireError? {
            try outcome { _, out in
                var cipher = CipherState(key: [UInt8](repeating: 5, count: 32))
                out = Base64.encode(try cipher.seal(plain)) + [0x0D, 0x0A]
            }
        }
        #expect(try sealed([3] + [UInt8](repeating: 0, count: 16)) == .unknownFlag(3))
        #expect(try sealed([0] + [UInt8](repeating: 0, count: 8)) == .shortPacket)
        #expect(try sealed([0] + [UInt8](repeating: 0, count: 15)) == .shortPacket)
        #expect(try sealed([0] + [UInt8](repeating: 0, count: 16)) == .badPadding)
        #expect(try sealed([0] + [UInt8](repeating: 0, count: 17)) == .badPadding)
        #expect(try sealed([]) == .shortPacket)
        #expect(try outcome { _, out in out = Array("not base64!\r\n".utf8) } == .notBase64)
        #expect(try outcome { _, out in out = Array("\r\n".utf8) } == .authenticationFailed)
    }

    @Test("ten thousand mutated conversations: nothing crashes, nothing false is delivered")
    func mutations() throws {
        var pair = try Pair(bag: try makeBag())
        let wire = try pair.hello + pair.fromClient("one") + pair.fromClient(String(repeating: "z", count: 33_000))
        var random = Seeded(42)
        for round in 0..<10_000 {
            var bytes = round.isMultiple(of: 50) ? wire : Array(wire.prefix(300))
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
                default: bytes.swapAt(place, Int.random(in: 0..<bytes.count, using: &random))
                }
            }
            if bytes == Array(wire.prefix(bytes.count)) { continue }
            // The server's ephemeral key is another each time, so no packet can verify; the hello may.
            var server = ServerConnection(peerPort: 40_000, portCheck: .strict, documentLimit: 1 << 20)
            server.feed(bytes)
            do {
                while let event = try server.next(ring: pair.ring, now: 0, random: &random) {
                    if case .greeted = event { continue }
                    Issue.record("round \(round) delivered something")
                }
            } catch {}
        }
    }
}
