import FFSModel
import Testing

@testable import Commlink

/// Why FFS/2 wraps the patent's packets: each attack succeeds against the bare link and fails against FFS/2.
@Suite("the bare patent link falls, FFS/2 stands")
struct BarePatentTests {
    private let bag: KeyBag
    private let order = "<tobj type=\"stage.revoke\"><account>a</account></tobj>"
    init() throws { bag = try makeBag() }

    @Test("replay: the same packet is obeyed twice")
    func replay() throws {
        var client = BarePatentLink(bag: bag, port: 40_000)
        let packet = client.seal(order, iv: 1)
        var server = BarePatentLink(bag: bag, port: 40_000)
        #expect(server.open(packet) == order)
        #expect(server.open(packet) == order)
        // Even on another connection, as long as the port's key is the same.
        var later = BarePatentLink(bag: bag, port: UInt16(40_000 + bag.count))
        #expect(later.open(packet) == order)

        var pair = try Pair(bag: bag)
        let line = try pair.fromClient(order)
        #expect(pair.serverReceives(line).documents == [order])
        let again = pair.serverReceives(line)
        #expect(again.documents.isEmpty && again.error == .authenticationFailed)
    }

    @Test("bit flip: the attacker chooses what the first block says")
    func bitFlip() throws {
        var client = BarePatentLink(bag: bag, port: 40_000)
        var sealed = try #require(Base64.decode(Array(client.seal("revoke=0;account=acme", iv: 0x5555).dropLast(2))))
        // The IV is added to the first block: byte 7 of it turns "0" into "1".
        sealed[7] ^= UInt8(ascii: "0") ^ UInt8(ascii: "1")
        var server = BarePatentLink(bag: bag, port: 40_000)
        #expect(server.open(Base64.encode(sealed) + [0x0D, 0x0A]) == "revoke=1;account=acme")

        var pair = try Pair(bag: bag)
        let line = try pair.fromClient("revoke=0;account=acme")
        var packet = try #require(Base64.decode(Array(line.dropLast(2))))
        // The same place behind the flag.
        packet[8] ^= UInt8(ascii: "0") ^ UInt8(ascii: "1")
        let outcome = pair.serverReceives(Base64.encode(packet) + [0x0D, 0x0A])
        #expect(outcome.documents.isEmpty && outcome.error == .authenticationFailed)
    }

    @Test("padding oracle: a recorded packet is read without the key")
    func paddingOracle() throws {
        let secret = "password=xyzzy!"
        var client = BarePatentLink(bag: bag, port: 40_000)
        let recorded = try #require(Base64.decode(Array(client.seal(secret, iv: 0xABCD_EF01).dropLast(2))))
        var server = BarePatentLink(bag: bag, port: 40_000)
        let plain = Self.readWithOracle(recorded) { server.open(Base64.encode($0) + [0x0D, 0x0A]) != nil }
        #expect(String(decoding: plain.prefix(secret.utf8.count), as: UTF8.self) == secret)

        // FFS/2 has one answer to whatever is altered, so the oracle says no every time.
        var pair = try Pair(bag: bag)
        let line = try pair.fromClient(secret)
        let packet = try #require(Base64.decode(Array(line.dropLast(2))))
        var answers: Set<WireError?> = []
        for place in 0..<packet.count {
            for value in stride(from: UInt8(1), through: 255, by: 31) {
                var altered = packet
                altered[place] ^= value
                var copy = pair
                answers.insert(copy.serverReceives(Base64.encode(altered) + [0x0D, 0x0A]).error)
            }
        }
        #expect(answers == [.authenticationFailed])
    }

    /// Vaudenay's attack (EUROCRYPT 2002) on CBC: the plain text of `recorded` (IV, then blocks), asking only whether a
    /// forged packet's padding is right.
    private static func readWithOracle(_ recorded: [UInt8], isPadded: ([UInt8]) -> Bool) -> [UInt8] {
        var plain: [UInt8] = []
        for start in stride(from: 8, to: recorded.count, by: 8) {
            let previous = Array(recorded[(start - 8)..<start])
            let block = Array(recorded[start..<(start + 8)])
            var inner = [UInt8](repeating: 0, count: 8)
            for place in stride(from: 7, through: 0, by: -1) {
                let padding = UInt8(8 - place)
                var forged = (0..<8).map { $0 > place ? inner[$0] ^ padding : 0 }
                for guess in 0...255 {
                    forged[place] = UInt8(guess)
                    guard isPadded(forged + block) else { continue }
                    if place == 7 {
                        // It may have been a longer padding by chance: change the byte before and ask again.
                        var probe = forged
                        probe[6] ^= 0xFF
                        guard isPadded(probe + block) else { continue }
                    }
                    inner[place] = UInt8(guess) ^ padding
                    break
                }
            }
            plain += zip(inner, previous).map { $0 ^ $1 }
        }
        return plain
    }
}
