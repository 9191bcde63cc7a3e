import COpenSSL
import Crypto

/// `Noise_NNpsk0_25519_AESGCM_SHA256` of the Noise protocol framework, revision 34:
///
///     -> psk, e
///     <- e, ee
///
/// Section numbers below are that document's.
enum Noise {
    static let name = Array("Noise_NNpsk0_25519_AESGCM_SHA256".utf8)
    static let keySize = 32
    static let tagSize = 16
    /// Bytes of a handshake message with an empty payload: an X25519 public key and a tag.
    static let emptyMessageSize = keySize + tagSize

    /// §4.3 HKDF with two or three outputs.
    static func hkdf(_ chainingKey: [UInt8], _ input: [UInt8], outputs: Int) -> [[UInt8]] {
        let temporary = SymmetricKey(
            data: HMAC<SHA256>.authenticationCode(for: input, using: SymmetricKey(data: chainingKey)))
        var out: [[UInt8]] = []
        for index in 1...outputs {
            var code = HMAC<SHA256>(key: temporary)
            if let last = out.last { code.update(data: last) }
            code.update(data: [UInt8(index)])
            out.append(Array(code.finalize()))
        }
        return out
    }
}

/// Overwrites key material where it lies; the compiler may not leave it out. Of use where nothing else holds the array.
func wipe(_ secret: inout [UInt8]) {
    secret.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) }
}

/// §5.1: a key and the number of messages under it. The counter is never on the wire, so a packet that was
/// dropped, repeated or moved does not verify.
struct CipherState: Sendable {
    private let key: SymmetricKey
    /// Messages sealed or opened so far.
    private(set) var counter: UInt64 = 0

    init(key: [UInt8]) { self.key = SymmetricKey(data: key) }

    /// §12.4: 32 zero bits and the counter, big-endian.
    private func nonce() throws -> AES.GCM.Nonce {
        var bytes = [UInt8](repeating: 0, count: 12)
        for index in 0..<8 { bytes[4 + index] = UInt8(truncatingIfNeeded: counter >> (56 - 8 * UInt64(index))) }
        return try AES.GCM.Nonce(data: bytes)
    }

    /// Cipher text and tag. `limitReached` after 2^64 - 1 messages, which FFS/2's own limit keeps far away.
    mutating func seal(_ plain: [UInt8], authenticating header: [UInt8] = []) throws(WireError) -> [UInt8] {
        guard counter < UInt64.max else { throw .limitReached }
        do {
            let box = try AES.GCM.seal(plain, using: key, nonce: nonce(), authenticating: header)
            counter += 1
            var out: [UInt8] = []
            out.reserveCapacity(plain.count + Noise.tagSize)
            out.append(contentsOf: box.ciphertext)
            out.append(contentsOf: box.tag)
            return out
        } catch { throw .authenticationFailed }
    }

    /// The plain text; the state does not move when the message does not verify.
    mutating func open(_ sealed: [UInt8], authenticating header: [UInt8] = []) throws(WireError) -> [UInt8] {
        guard counter < UInt64.max else { throw .limitReached }
        guard sealed.count >= Noise.tagSize else { throw .authenticationFailed }
        do {
            let split = sealed.count - Noise.tagSize
            let box = try AES.GCM.SealedBox(nonce: nonce(), ciphertext: sealed[..<split], tag: sealed[split...])
            let plain = Array(try AES.GCM.open(box, using: key, authenticating: header))
            counter += 1
            return plain
        } catch { throw .authenticationFailed }
    }
}

/// §5.2, with the key that every message of NNpsk0 has.
struct SymmetricState: Sendable {
    private(set) var chainingKey = Noise.name
    private(set) var hash = Noise.name
    private var cipher: CipherState

    /// The prologue, then the psk token with which NNpsk0 begins.
    init(prologue: [UInt8], psk: [UInt8]) {
        hash = Self.sha256(hash + prologue)
        var keys = Noise.hkdf(chainingKey, psk, outputs: 3)
        hash = Self.sha256(hash + keys[1])
        cipher = CipherState(key: keys[2])
        wipe(&keys[2])
        chainingKey = keys[0]
    }

    private static func sha256(_ bytes: [UInt8]) -> [UInt8] { Array(SHA256.hash(data: bytes)) }

    mutating func mixHash(_ data: [UInt8]) { hash = Self.sha256(hash + data) }

    mutating func mixKey(_ input: [UInt8]) {
        var keys = Noise.hkdf(chainingKey, input, outputs: 2)
        cipher = CipherState(key: keys[1])
        wipe(&keys[1])
        wipe(&chainingKey)
        chainingKey = keys[0]
    }

    /// §9.2: with a psk, an ephemeral key goes into the chaining key as well.
    mutating func mixEphemeral(_ publicKey: [UInt8]) {
        mixHash(publicKey)
        mixKey(publicKey)
    }

    mutating func encryptAndHash(_ plain: [UInt8]) throws(WireError) -> [UInt8] {
        let sealed = try cipher.seal(plain, authenticating: hash)
        mixHash(sealed)
        return sealed
    }

    mutating func decryptAndHash(_ sealed: [UInt8]) throws(WireError) -> [UInt8] {
        let plain = try cipher.open(sealed, authenticating: hash)
        mixHash(sealed)
        return plain
    }

    /// The two directions' keys, the initiator's first. Ends this state: the chaining key is overwritten.
    mutating func split() -> (CipherState, CipherState) {
        var keys = Noise.hkdf(chainingKey, [], outputs: 2)
        wipe(&chainingKey)
        defer { for index in keys.indices { wipe(&keys[index]) } }
        return (CipherState(key: keys[0]), CipherState(key: keys[1]))
    }
}

/// What both ends hold once the handshake is done.
struct NoiseSession: Sendable {
    /// §11.2; differs for every connection.
    let handshakeHash: [UInt8]
    var sending: CipherState
    var receiving: CipherState
}

/// The side that connects.
struct NoiseInitiator: Sendable {
    private var symmetric: SymmetricState
    private let ephemeral: Curve25519.KeyAgreement.PrivateKey

    /// `ephemeral`: 32 random bytes, never used again. `psk`: 32 bytes.
    init(prologue: [UInt8], psk: [UInt8], ephemeral: [UInt8]) throws(WireError) {
        symmetric = SymmetricState(prologue: prologue, psk: psk)
        self.ephemeral = try privateKey(ephemeral)
    }

    /// `-> psk, e`
    mutating func writeFirst(payload: [UInt8] = []) throws(WireError) -> [UInt8] {
        let publicKey = Array(ephemeral.publicKey.rawRepresentation)
        symmetric.mixEphemeral(publicKey)
        return publicKey + (try symmetric.encryptAndHash(payload))
    }

    /// `<- e, ee`
    consuming func readSecond(_ message: [UInt8]) throws(WireError) -> (payload: [UInt8], session: NoiseSession) {
        guard message.count >= Noise.emptyMessageSize else { throw .authenticationFailed }
        let theirs = Array(message[..<Noise.keySize])
        symmetric.mixEphemeral(theirs)
        var secret = try agree(ephemeral, theirs)
        symmetric.mixKey(secret)
        wipe(&secret)
        let payload = try symmetric.decryptAndHash(Array(message[Noise.keySize...]))
        let (first, second) = symmetric.split()
        return (
            payload,
            NoiseSession(
                handshakeHash: symmetric.hash, sending: first, receiving: second)
        )
    }
}

/// The side that accepts.
struct NoiseResponder: Sendable {
    private var symmetric: SymmetricState
    private let ephemeral: Curve25519.KeyAgreement.PrivateKey
    private var theirs: [UInt8] = []

    init(prologue: [UInt8], psk: [UInt8], ephemeral: [UInt8]) throws(WireError) {
        symmetric = SymmetricState(prologue: prologue, psk: psk)
        self.ephemeral = try privateKey(ephemeral)
    }

    /// `-> psk, e`: throws `authenticationFailed` unless the peer holds the psk and sent this very prologue.
    mutating func readFirst(_ message: [UInt8]) throws(WireError) -> [UInt8] {
        guard message.count >= Noise.emptyMessageSize else { throw .authenticationFailed }
        theirs = Array(message[..<Noise.keySize])
        symmetric.mixEphemeral(theirs)
        return try symmetric.decryptAndHash(Array(message[Noise.keySize...]))
    }

    /// `<- e, ee`
    consuming func writeSecond(payload: [UInt8] = []) throws(WireError) -> (message: [UInt8], session: NoiseSession) {
        let publicKey = Array(ephemeral.publicKey.rawRepresentation)
        symmetric.mixEphemeral(publicKey)
        var secret = try agree(ephemeral, theirs)
        symmetric.mixKey(secret)
        wipe(&secret)
        let sealed = try symmetric.encryptAndHash(payload)
        let (first, second) = symmetric.split()
        return (
            publicKey + sealed,
            NoiseSession(
                handshakeHash: symmetric.hash, sending: second, receiving: first)
        )
    }
}

private func privateKey(_ bytes: [UInt8]) throws(WireError) -> Curve25519.KeyAgreement.PrivateKey {
    do { return try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: bytes) } catch {
        throw .authenticationFailed
    }
}

/// X25519. A public key of small order gives the all-zero secret, which is refused (RFC 7748 §6.1).
private func agree(_ mine: Curve25519.KeyAgreement.PrivateKey, _ theirs: [UInt8]) throws(WireError) -> [UInt8] {
    let secret: [UInt8]
    do {
        let publicKey = try Curve25519.KeyAgreement.PublicKey(rawRepresentation: theirs)
        secret = try mine.sharedSecretFromKeyAgreement(with: publicKey).withUnsafeBytes { Array($0) }
    } catch { throw .authenticationFailed }
    guard secret.contains(where: { $0 != 0 }) else { throw .authenticationFailed }
    return secret
}
