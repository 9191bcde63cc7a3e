import FFSModel
import Testing

@testable import Commlink

extension ClientConnection {
    mutating func feed(_ bytes: [UInt8]) { bytes.withUnsafeBytes { receive($0) } }
}

extension ServerConnection {
    mutating func feed(_ bytes: [UInt8]) { bytes.withUnsafeBytes { receive($0) } }
}

/// A small generator with a seed, so that a failure can be repeated.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    /// SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}

func makeBag(_ seed: UInt64 = 1, count: Int = 31) throws -> KeyBag {
    var random = Seeded(seed)
    return try KeyBag.generate(link: "web-internal", count: count, created: Timestamp(seconds: 0), random: &random)
}

/// Both ends of an open connection, with every line that went over the wire.
struct Pair {
    var client: ClientConnection
    var server: ServerConnection
    var random: Seeded
    let ring: KeyRing
    let hello: [UInt8]
    let greeting: [UInt8]

    init(bag: KeyBag, port: UInt16 = 40_000, seed: UInt64 = 2, documentLimit: Int = 1 << 20) throws {
        random = Seeded(seed)
        ring = KeyRing(current: bag)
        (client, hello) = try ClientConnection.start(
            bag: bag, localPort: port, documentLimit: documentLimit, random: &random)
        server = ServerConnection(peerPort: port, portCheck: .strict, documentLimit: documentLimit)
        server.feed(hello)
        guard case .greeted(let line)? = try server.next(ring: ring, now: 0, random: &random) else {
            throw Unexpected()
        }
        greeting = line
        client.feed(greeting)
        guard case .opened? = try client.next() else { throw Unexpected() }
    }

    struct Unexpected: Error {}

    /// The packets of `document` from the client, a line each.
    mutating func fromClient(_ document: String) throws -> [UInt8] {
        var out: [UInt8] = []
        try client.send(Array(document.utf8), random: &random, into: &out)
        return out
    }

    mutating func fromServer(_ document: String) throws -> [UInt8] {
        var out: [UInt8] = []
        try server.send(Array(document.utf8), random: &random, into: &out)
        return out
    }

    /// What the server makes of `bytes`: the documents delivered before an error, and the error.
    mutating func serverReceives(_ bytes: [UInt8]) -> (documents: [String], error: WireError?) {
        server.feed(bytes)
        var documents: [String] = []
        do {
            while let event = try server.next(ring: ring, now: 0, random: &random) {
                if case .document(let document) = event { documents.append(String(decoding: document, as: UTF8.self)) }
            }
        } catch { return (documents, error) }
        return (documents, nil)
    }

    mutating func clientReceives(_ bytes: [UInt8]) -> (documents: [String], error: WireError?) {
        client.feed(bytes)
        var documents: [String] = []
        do {
            while let event = try client.next() {
                if case .document(let document) = event { documents.append(String(decoding: document, as: UTF8.self)) }
            }
        } catch { return (documents, error) }
        return (documents, nil)
    }
}
