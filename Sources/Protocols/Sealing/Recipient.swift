import Crypto
package import FFSModel

/// A customer's public key: whom a file key is wrapped to.
///
/// age's X25519 keys (`age1…`) and OpenSSH's Ed25519 keys (`ssh-ed25519 AAAA…`), as `age -r` takes them.
package struct Recipient: Sendable, Hashable {
    /// The key as its owner wrote it, without a comment: its one spelling.
    package let text: String
    /// The point on Curve25519 that is agreed with, 32 bytes.
    let point: [UInt8]
    /// The key in SSH's wire format (RFC 8709 §4); nil for one of age's.
    let sshKey: [UInt8]?

    /// Throws `bad-request` with a sentence for the customer for what is no such key.
    package init(_ text: some Collection<UInt8>) throws(Failure) {
        let words = text.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: "\n") }
        guard let first = words.first, text.count <= 4_096 else {
            throw Failure(.badRequest, "there is no key in this; paste the line that begins with age1 or ssh-ed25519")
        }
        if first.elementsEqual("ssh-ed25519".utf8), words.count >= 2 {
            try self.init(sshBase64: words[1])
        } else if first.starts(with: "age1".utf8) || first.starts(with: "AGE1".utf8) {
            guard words.count == 1 else {
                throw Failure(.badRequest, "this is more than one key; paste one line that begins with age1")
            }
            try self.init(age: first)
        } else {
            throw Self.foreign(first)
        }
        try refuseLowOrder()
    }

    private init(age word: some Collection<UInt8>) throws(Failure) {
        guard let point = Bech32.decode(word, prefix: "age"), point.count == 32 else {
            throw Failure(
                .badRequest,
                "this age key is damaged or of a kind that cannot be used here (plugin and post-quantum keys cannot); paste the whole line that age-keygen calls the public key"
            )
        }
        self.point = point
        text = Bech32.encode(point, prefix: "age")
        sshKey = nil
    }

    private init(sshBase64 word: some Collection<UInt8>) throws(Failure) {
        let damaged = Failure(
            .badRequest, "this SSH key is damaged; paste the whole line of the file whose name ends in .pub")
        let label = Array("ssh-ed25519".utf8)
        let frame: [UInt8] = [0, 0, 0, 11] + label + [0, 0, 0, 32]
        guard let wire = Base64.decode(Array(word)), wire.count == frame.count + 32, wire.starts(with: frame),
            let point = Edwards25519.montgomery(Array(wire.suffix(32)))
        else { throw damaged }
        self.point = point
        sshKey = wire
        text = "ssh-ed25519 " + String(decoding: word, as: UTF8.self)
    }

    private static func foreign(_ word: some Collection<UInt8>) -> Failure {
        let kind = String(decoding: word.prefix(40), as: UTF8.self)
        if word.starts(with: "AGE-SECRET-KEY-".utf8) || word.starts(with: "-----BEGIN".utf8) {
            return Failure(
                .badRequest,
                "this is a private key: keep it to yourself, make a new pair, and paste the public key of that")
        }
        let others = ["ssh-rsa", "ecdsa-", "sk-", "ssh-dss"]
        guard others.contains(where: { word.starts(with: $0.utf8) }) else {
            return Failure(.badRequest, "this is no public key; paste the line that begins with age1 or ssh-ed25519")
        }
        return Failure(
            .badRequest,
            "keys of the kind \(printable(kind.utf8, limit: 40)) cannot be used; make one with age-keygen, or with ssh-keygen -t ed25519"
        )
    }

    /// A point of low order agrees on the same secret with everybody.
    private func refuseLowOrder() throws(Failure) {
        guard (try? X25519.agree(secret: [UInt8](repeating: 1, count: 32), point: point)) != nil else {
            throw Failure(.badRequest, "this key is not a safe one; make a new one with age-keygen")
        }
    }
}

/// RFC 7748's function, by swift-crypto.
enum X25519 {
    /// Throws for a point of low order, or not 32 bytes.
    static func agree(secret: [UInt8], point: [UInt8]) throws -> [UInt8] {
        let key = try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: secret)
        let peer = try Curve25519.KeyAgreement.PublicKey(rawRepresentation: point)
        let shared = try key.sharedSecretFromKeyAgreement(with: peer).withUnsafeBytes { Array($0) }
        guard shared.contains(where: { $0 != 0 }) else { throw LowOrder() }
        return shared
    }

    private struct LowOrder: Error {}

    static func publicPoint(of secret: [UInt8]) throws -> [UInt8] {
        Array(try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: secret).publicKey.rawRepresentation)
    }
}
