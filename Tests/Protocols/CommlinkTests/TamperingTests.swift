import FFSModel
import Testing

@testable import Commlink

@Suite("tampering with FFS/2")
struct TamperingTests {
    private let bag: KeyBag
    init() throws { bag = try makeBag() }

    @Test("every bit of the client's hello flipped: refused", arguments: [PortCheck.strict, .announced])
    func clientHelloBits(_ check: PortCheck) throws {
        let pair = try Pair(bag: bag)
        for bit in 0..<(8 * pair.hello.count) {
            var random = Seeded(9)
            var server = ServerConnection(peerPort: 40_000, portCheck: check, documentLimit: 1 << 20)
            server.feed(flipped(pair.hello, bit))
            #expect(throws: WireError.self, "bit \(bit)") {
                _ = try server.next(ring: pair.ring, now: 0, random: &random)
            }
        }
    }

    @Test("every bit of the server's hello flipped: refused")
    func serverHelloBits() throws {
        let pair = try Pair(bag: bag)
        for bit in 0..<(8 * pair.greeting.count) {
            var random = Seeded(2)
            var (client, _) = try ClientConnection.start(
                bag: bag, localPort: 40_000, documentLimit: 1 << 20, random: &random)
            client.feed(flipped(pair.greeting, bit))
            #expect(throws: WireError.self, "bit \(bit)") { _ = try client.next() }
        }
    }

    @Test("every bit of every packet flipped: refused, nothing delivered")
    func packetBits() throws {
        var pair = try Pair(bag: bag)
        let request = try pair.fromClient("<tobj type=\"ping\"/>")
        let before = pair
        for bit in 0..<(8 * request.count) {
            var copy = before
            let outcome = copy.serverReceives(flipped(request, bit))
            #expect(outcome.documents.isEmpty && outcome.error != nil, "bit \(bit)")
        }
        let reply = try pair.fromServer("<tobj type=\"ping.reply\"/>")
        for bit in 0..<(8 * reply.count) {
            var copy = pair
            let outcome = copy.clientReceives(flipped(reply, bit))
            #expect(outcome.documents.isEmpty && outcome.error != nil, "bit \(bit)")
        }
    }

    @Test("a packet dropped, repeated, reordered: refused")
    func order() throws {
        var pair = try Pair(bag: bag)
        let packets = try ["one", "two", "three"].map { try pair.fromClient($0) }
        var copy = pair
        #expect(copy.serverReceives(packets[0] + packets[1] + packets[2]).documents == ["one", "two", "three"])
        for (lines, delivered) in [
            ([1], []), ([0, 2], ["one"]), ([0, 0], ["one"]), ([1, 0], []), ([0, 1, 0], ["one", "two"]),
            ([0, 2, 1], ["one"]),
        ] {
            copy = pair
            let outcome = copy.serverReceives(lines.flatMap { packets[$0] })
            #expect(outcome.documents == delivered)
            #expect(outcome.error == .authenticationFailed)
        }
    }

    @Test("a packet sent back to its sender: refused")
    func reflection() throws {
        var pair = try Pair(bag: bag)
        let request = try pair.fromClient("one")
        #expect(pair.clientReceives(request).error == .authenticationFailed)
        var other = try Pair(bag: bag)
        let reply = try other.fromServer("one")
        #expect(other.serverReceives(reply).error == .authenticationFailed)
    }

    @Test("a hello reflected to a client: refused")
    func reflectedHello() throws {
        var random = Seeded(2)
        var (client, hello) = try ClientConnection.start(
            bag: bag, localPort: 40_000, documentLimit: 1 << 20, random: &random)
        client.feed(hello)
        #expect(throws: WireError.malformedHello) { _ = try client.next() }
    }

    @Test("a packet of another connection, even under the same key: refused")
    func splice() throws {
        var first = try Pair(bag: bag, seed: 2)
        var second = try Pair(bag: bag, seed: 3)
        let foreign = try second.fromClient("one")
        #expect(first.serverReceives(foreign).error == .authenticationFailed)
        let foreignReply = try second.fromServer("one")
        #expect(first.clientReceives(foreignReply).error == .authenticationFailed)
    }

    @Test("a whole connection played again: the hello is answered, no packet is")
    func replay() throws {
        var recorded = try Pair(bag: bag)
        let request = try recorded.fromClient("one")
        var random = Seeded(77)
        var server = ServerConnection(peerPort: 40_000, portCheck: .strict, documentLimit: 1 << 20)
        server.feed(recorded.hello)
        guard case .greeted? = try server.next(ring: recorded.ring, now: 0, random: &random) else {
            Issue.record("no hello")
            return
        }
        server.feed(request)
        #expect(throws: WireError.authenticationFailed) {
            _ = try server.next(ring: recorded.ring, now: 0, random: &random)
        }
    }

    @Test("a stream cut anywhere is not an orderly end")
    func truncation() throws {
        var pair = try Pair(bag: bag)
        var bytes = try pair.fromClient("one")
        try pair.client.sendClose(random: &pair.random, into: &bytes)
        for count in 0..<bytes.count {
            var copy = pair
            _ = copy.serverReceives(Array(bytes[..<count]))
            #expect(throws: WireError.truncated) { try copy.server.end() }
        }
        _ = pair.serverReceives(bytes)
        try pair.server.end()
    }

    private func flipped(_ bytes: [UInt8], _ bit: Int) -> [UInt8] {
        var bytes = bytes
        bytes[bit / 8] ^= 1 << UInt8(bit % 8)
        return bytes
    }
}
