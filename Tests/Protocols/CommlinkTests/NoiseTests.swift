import FFSModel
import Testing

@testable import Commlink

@Suite("Noise_NNpsk0_25519_AESGCM_SHA256")
struct NoiseTests {
    @Test("the framework's published vector, both ends, every byte")
    func publishedVector() throws {
        let file = try Vectors.load("noise-nnpsk0", as: Vectors.NoiseFile.self)
        let vector = try #require(file.vectors.first { $0.protocol_name == "Noise_NNpsk0_25519_AESGCM_SHA256" })
        let messages = try vector.messages.map {
            (payload: try bytes(hex: $0.payload), sealed: try bytes(hex: $0.ciphertext))
        }
        var initiator = try NoiseInitiator(
            prologue: bytes(hex: vector.init_prologue), psk: bytes(hex: vector.init_psks[0]),
            ephemeral: bytes(hex: vector.init_ephemeral))
        var responder = try NoiseResponder(
            prologue: bytes(hex: vector.resp_prologue), psk: bytes(hex: vector.resp_psks[0]),
            ephemeral: bytes(hex: vector.resp_ephemeral))

        let first = try initiator.writeFirst(payload: messages[0].payload)
        #expect(first == messages[0].sealed)
        #expect(try responder.readFirst(first) == messages[0].payload)
        var (second, server) = try responder.writeSecond(payload: messages[1].payload)
        #expect(second == messages[1].sealed)
        var (payload, client) = try initiator.readSecond(second)
        #expect(payload == messages[1].payload)
        #expect(client.handshakeHash == server.handshakeHash)
        #expect(try client.handshakeHash == bytes(hex: vector.handshake_hash))

        for (number, message) in messages.enumerated().dropFirst(2) {
            if number.isMultiple(of: 2) {
                #expect(try client.sending.seal(message.payload) == message.sealed)
                #expect(try server.receiving.open(message.sealed) == message.payload)
            } else {
                #expect(try server.sending.seal(message.payload) == message.sealed)
                #expect(try client.receiving.open(message.sealed) == message.payload)
            }
        }
    }

    @Test("another psk, another prologue, a cut message: all refused")
    func mismatches() throws {
        let ephemeral = [UInt8](repeating: 7, count: 32)
        let psk = [UInt8](repeating: 1, count: 32)
        var initiator = try NoiseInitiator(prologue: [1], psk: psk, ephemeral: ephemeral)
        let first = try initiator.writeFirst()
        func read(prologue: [UInt8], psk: [UInt8], _ message: [UInt8]) throws {
            var responder = try NoiseResponder(prologue: prologue, psk: psk, ephemeral: ephemeral)
            _ = try responder.readFirst(message)
        }
        try read(prologue: [1], psk: psk, first)
        #expect(throws: WireError.authenticationFailed) { try read(prologue: [2], psk: psk, first) }
        #expect(throws: WireError.authenticationFailed) {
            try read(prologue: [1], psk: [UInt8](repeating: 2, count: 32), first)
        }
        for count in 0..<first.count {
            #expect(throws: WireError.authenticationFailed) {
                try read(prologue: [1], psk: psk, Array(first[..<count]))
            }
        }
    }

    @Test("an ephemeral key of small order is refused")
    func smallOrder() throws {
        let psk = [UInt8](repeating: 1, count: 32)
        var responder = try NoiseResponder(prologue: [], psk: psk, ephemeral: [UInt8](repeating: 9, count: 32))
        // The initiator cannot make such a message with swift-crypto, so put one together: e = 0.
        let zero = [UInt8](repeating: 0, count: 32)
        var symmetric = HandshakeForgery(psk: psk)
        _ = try responder.readFirst(zero + symmetric.emptyPayload(after: zero))
        #expect(throws: WireError.authenticationFailed) { _ = try responder.writeSecond() }
    }
}

/// Just enough of the symmetric state to seal an empty payload under a chosen public key.
private struct HandshakeForgery {
    let psk: [UInt8]

    mutating func emptyPayload(after publicKey: [UInt8]) throws -> [UInt8] {
        var state = SymmetricState(prologue: [], psk: psk)
        state.mixEphemeral(publicKey)
        return try state.encryptAndHash([])
    }
}
