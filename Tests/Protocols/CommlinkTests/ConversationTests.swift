import FFSModel
import Testing

@testable import Commlink

@Suite("FFS/2 conversations, byte for byte")
struct ConversationTests {
    @Test("both ends reproduce every line of the vectors", arguments: try Vectors.ffs2().conversations)
    func conversation(_ vector: Vectors.Conversation) throws {
        let bag = try KeyBag.parse(Array(try Vectors.ffs2().keybag.utf8))
        let ring = KeyRing(current: bag)
        #expect(bag.entry(forPort: vector.port).index == vector.index)

        var tape = try Tape(hex: vector.client_ephemeral_private)
        var (client, hello) = try ClientConnection.start(
            bag: bag, localPort: vector.port, documentLimit: 1 << 20, random: &tape)
        #expect(text(hello) == vector.wire[0].line)
        tape = try Tape(hex: vector.server_ephemeral_private)
        var server = ServerConnection(peerPort: vector.port, portCheck: .strict, documentLimit: 1 << 20)
        server.feed(hello)
        guard case .greeted(let greeting)? = try server.next(ring: ring, now: 0, random: &tape) else {
            Issue.record("no hello from the server")
            return
        }
        #expect(text(greeting) == vector.wire[1].line)
        client.feed(greeting)
        guard case .opened? = try client.next() else {
            Issue.record("the client did not open")
            return
        }
        #expect(try client.handshakeHash == bytes(hex: vector.handshake_hash))
        #expect(try server.handshakeHash == bytes(hex: vector.handshake_hash))

        // Consecutive packets up to one that is not `more` are one document.
        var lines = vector.wire.dropFirst(2)
        while let first = lines.first {
            let end = try #require(lines.firstIndex { $0.flag != PacketFlag.more.rawValue })
            let packets = lines[lines.startIndex...end]
            lines = lines[(end + 1)...]
            let document = packets.flatMap { Array(($0.body ?? "").utf8) }
            var ivs = try Tape(hex: packets.map { $0.iv ?? "" }.joined())
            var out: [UInt8] = []
            let closes = lines.isEmpty && packets.last?.flag == PacketFlag.close.rawValue
            if closes {
                try client.sendClose(random: &ivs, into: &out)
                server.feed(out)
                guard case .closed? = try server.next(ring: ring, now: 0, random: &ivs) else {
                    Issue.record("the close was not understood")
                    return
                }
                try server.end()
            } else if first.from == "client" {
                try client.send(document, random: &ivs, into: &out)
                server.feed(out)
                guard case .document(let received)? = try server.next(ring: ring, now: 0, random: &ivs) else {
                    Issue.record("no document")
                    return
                }
                #expect(received == document)
            } else {
                try server.send(document, random: &ivs, into: &out)
                client.feed(out)
                guard case .document(let received)? = try client.next() else {
                    Issue.record("no document")
                    return
                }
                #expect(received == document)
            }
            #expect(ivs.isEmpty)
            #expect(text(out) == packets.map(\.line).joined(separator: "\r\n"))
        }
    }
}

/// A line or lines without the last CR LF.
private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes.dropLast(2), as: UTF8.self) }
