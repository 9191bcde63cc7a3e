import FFSModel
import Testing

@testable import Commlink

@Suite("who may open a connection")
struct HandshakeTests {
    private let bag: KeyBag
    init() throws { bag = try makeBag() }

    /// What a server that sees `seen` says to a hello for port `port` under `bag`.
    private func error(
        hello bag: KeyBag, port: UInt16, seen: UInt16, _ check: PortCheck, ring: KeyRing? = nil,
        edit: (inout Hello.Client) -> Void = { _ in }
    ) throws -> WireError? {
        var random = Seeded(4)
        let (_, line) = try ClientConnection.start(bag: bag, localPort: port, documentLimit: 100, random: &random)
        var hello = try Hello.Client(parsing: line.dropLast(2))
        edit(&hello)
        var server = ServerConnection(peerPort: seen, portCheck: check, documentLimit: 100)
        server.feed(hello.line + [0x0D, 0x0A])
        do {
            guard case .greeted? = try server.next(ring: ring ?? KeyRing(current: self.bag), now: 0, random: &random)
            else { return .truncated }
            return nil
        } catch { return error }
    }

    @Test("strict: the announced port must be the port that is seen; a NAT is named")
    func strict() throws {
        #expect(try error(hello: bag, port: 40_000, seen: 40_000, .strict) == nil)
        let refusal = try #require(try error(hello: bag, port: 40_000, seen: 1_024, .strict))
        #expect(refusal == .portMismatch(announced: 40_000, seen: 1_024))
        #expect(refusal.description.contains("NAT"))
        #expect(refusal.isHandshakeRefusal)
    }

    @Test("strict: a NAT that keeps the key's index, by chance or design, is found as well")
    func sameIndex() throws {
        let seen = UInt16(40_000 + bag.count)
        #expect(bag.entry(forPort: seen).index == bag.entry(forPort: 40_000).index)
        #expect(
            try error(hello: bag, port: 40_000, seen: seen, .strict) == .portMismatch(announced: 40_000, seen: seen))
    }

    @Test("announced: any port will do, but the handshake authenticates what was announced")
    func announced() throws {
        #expect(try error(hello: bag, port: 40_000, seen: 1_024, .announced) == nil)
        let other = UInt16(40_000 + bag.count)
        let refusal = try error(hello: bag, port: 40_000, seen: 1_024, .announced) { hello in
            hello = Hello.Client(bag: hello.bag, port: other, index: hello.index, message: hello.message)
        }
        #expect(refusal == .authenticationFailed)
    }

    @Test("an index that is not P mod N, an unknown bag, the same id with other keys: refusals of one kind")
    func refusals() throws {
        let index = try error(hello: bag, port: 40_000, seen: 40_000, .strict) { hello in
            hello = Hello.Client(bag: hello.bag, port: hello.port, index: hello.index + 1, message: hello.message)
        }
        #expect(index == .wrongIndex)
        let far = try error(hello: bag, port: 40_000, seen: 40_000, .strict) { hello in
            hello = Hello.Client(
                bag: hello.bag, port: hello.port, index: hello.index + bag.count, message: hello.message)
        }
        #expect(far == .wrongIndex)
        let stranger = try makeBag(99)
        #expect(try error(hello: stranger, port: 40_000, seen: 40_000, .strict) == .unknownBag(stranger.id))
        // Another bag under the same id.
        let twin = try KeyBag.parse(stranger.serialized())
        let forged = KeyBag(
            id: bag.id, link: bag.link, node: nil, created: bag.created,
            material: (0..<twin.count).flatMap { index -> [UInt8] in
                let entry = twin.entry(forPort: UInt16(index))
                return (0..<8).map { UInt8(truncatingIfNeeded: entry.key.bits >> (56 - 8 * UInt64($0))) } + entry.psk
            })
        #expect(try error(hello: forged, port: 40_000, seen: 40_000, .strict) == .authenticationFailed)
        for refusal in [WireError.wrongIndex, .unknownBag(stranger.id), .authenticationFailed] {
            #expect(refusal.isHandshakeRefusal)
        }
    }

    @Test("next is accepted before it is offered; previous no longer after its deadline")
    func rotation() throws {
        let next = try makeBag(5)
        let previous = try makeBag(6)
        let live = KeyRing(current: bag, previous: (previous, Timestamp(seconds: 10)), next: next)
        let late = KeyRing(current: bag, previous: (previous, Timestamp(seconds: 0)), next: next)
        #expect(try error(hello: next, port: 40_000, seen: 40_000, .strict, ring: live) == nil)
        #expect(try error(hello: previous, port: 40_000, seen: 40_000, .strict, ring: live) == nil)
        #expect(
            try error(hello: previous, port: 40_000, seen: 40_000, .strict, ring: late) == .unknownBag(previous.id))
    }

    @Test("a server with another key than the client's cannot answer")
    func falseServer() throws {
        var random = Seeded(4)
        var (client, _) = try ClientConnection.start(
            bag: bag, localPort: 40_000, documentLimit: 100, random: &random)
        // The man in the middle knows everything but the key.
        let other = try makeBag(7).entry(forPort: 40_000)
        var (_, theirs) = try ClientConnection.start(bag: bag, localPort: 40_000, documentLimit: 100, random: &random)
        theirs.removeLast(2)
        let hello = try Hello.Client(parsing: theirs[...])
        var noise = try NoiseInitiator(
            prologue: hello.prologue, psk: other.psk, ephemeral: [UInt8](repeating: 3, count: 32))
        client.feed(Hello.Server(bag: bag.id, message: try noise.writeFirst()).line + [0x0D, 0x0A])
        #expect(throws: WireError.authenticationFailed) { _ = try client.next() }
    }

    @Test("a document before the server's hello cannot be sent")
    func early() throws {
        var random = Seeded(4)
        var (client, _) = try ClientConnection.start(bag: bag, localPort: 40_000, documentLimit: 100, random: &random)
        var out: [UInt8] = []
        #expect(throws: WireError.afterClose) { try client.send([1], random: &random, into: &out) }
        #expect(out.isEmpty)
    }
}
