import Crypto
package import FFSModel

/// age v1's header: who can open a file, and how (age-encryption.org/v1).
package struct SealedHeader: Sendable, Hashable {
    package let stanzas: [Stanza]

    /// One entry of a header: words on a line, and a body.
    package struct Stanza: Sendable, Hashable {
        /// At least one, each of visible ASCII.
        package let words: [String]
        package let body: [UInt8]

        package init(_ words: [String], body: [UInt8]) {
            self.words = words
            self.body = body
        }

        /// The line of words, then the body in base64 without padding, 64 characters a line, the last one shorter.
        var bytes: [UInt8] {
            var out = Array("-> \(words.joined(separator: " "))\n".utf8)
            let text = unpadded(body)
            for start in stride(from: 0, through: text.count, by: 64) {
                out += text[start..<min(start + 64, text.count)]
                out.append(UInt8(ascii: "\n"))
            }
            return out
        }
    }

    private static let intro = Array("age-encryption.org/v1\n".utf8)
    private static let footer = Array("---".utf8)

    /// The header's bytes under `key`.
    package func bytes(_ key: FileKey) -> [UInt8] {
        let head = Self.intro + stanzas.flatMap(\.bytes) + Self.footer
        return head + [UInt8(ascii: " ")] + unpadded(key.mac(head)) + [UInt8(ascii: "\n")]
    }

    // MARK: Composing

    /// Bytes of every header, whoever can open the file, so that offsets agree; the larger where the recipients are many.
    package static let sizes = [4_096, 16_384]

    /// The header of a sealed content for `recipients`, padded to one of ``sizes``. The same arguments give the same bytes on
    /// every host and every day, so that a download goes on where another was cut.
    ///
    /// Ephemeral secrets follow from `secret` and each recipient. age draws them; here the only thing that is ever wrapped
    /// under such a secret is the one file key, so that the same secret says the same thing again.
    ///
    /// - Parameters:
    ///   - secret: 32 random bytes that belong to the payload and are known to hosts alone.
    ///   - payload: the sealed payload's SHA-256.
    ///   - others: further stanzas, which age passes over.
    /// - Throws: `badRequest` when the recipients do not fit.
    package static func composed(
        for recipients: [Recipient], key: FileKey, secret: [UInt8], payload: ContentDigest, others: [Stanza] = []
    ) throws(Failure) -> [UInt8] {
        var stanzas: [Stanza] = []
        for recipient in recipients {
            let ephemeral = hkdf(secret, salt: payload.bytes, info: Array("ffs header ".utf8) + recipient.text.utf8)
            stanzas.append(try recipient.wrap(key, ephemeral: ephemeral))
        }
        stanzas += others
        let plain = SealedHeader(stanzas: stanzas).bytes(key).count
        for size in sizes {
            guard let padding = padding(size - plain) else { continue }
            return SealedHeader(stanzas: stanzas + [padding]).bytes(key)
        }
        throw Failure(
            .badRequest, "\(recipients.count) keys are more than a header holds; deactivate some and try again")
    }

    /// A stanza of exactly `size` bytes; nil where that is too few.
    private static func padding(_ size: Int) -> Stanza? {
        let name = "ffs-padding"
        // Base64 has no lengths of one more than a multiple of four, and lines end: a word takes up what is left.
        var body = max(0, (size - 100) * 3 / 4 * 64 / 65 - 3)
        while true {
            let text = (4 * body + 2) / 3
            let rest = size - "-> \(name)\n".utf8.count - (text + text / 64 + 1)
            guard rest >= 0 else { return nil }
            // The word and the blank before it.
            if rest != 1, rest <= 200 {
                let words = rest == 0 ? [name] : [name, String(repeating: "x", count: rest - 1)]
                return Stanza(words, body: [UInt8](repeating: 0, count: body))
            }
            body += 1
        }
    }
}

/// The key of one payload, 16 bytes: K2.
package struct FileKey: Sendable, Hashable {
    package let bytes: [UInt8]

    /// nil unless there are 16 bytes.
    package init?(bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        self.bytes = bytes
    }

    func mac(_ head: [UInt8]) -> [UInt8] {
        let key = SymmetricKey(data: hkdf(bytes, salt: [], info: Array("header".utf8)))
        return Array(HMAC<SHA256>.authenticationCode(for: head, using: key))
    }
}

extension Recipient {
    /// The stanza that gives `key` to whoever holds the private key.
    func wrap(_ key: FileKey, ephemeral: [UInt8]) throws(Failure) -> SealedHeader.Stanza {
        do {
            let share = try X25519.publicPoint(of: ephemeral)
            var secret = try X25519.agree(secret: ephemeral, point: point)
            var words = ["X25519"]
            var info = "age-encryption.org/v1/X25519"
            if let sshKey {
                info = "age-encryption.org/v1/ssh-ed25519"
                let tweak = hkdf([], salt: sshKey, info: Array(info.utf8))
                secret = try X25519.agree(secret: tweak, point: secret)
                let tag = Array(SHA256.hash(data: sshKey).prefix(4))
                words = ["ssh-ed25519", String(decoding: unpadded(tag), as: UTF8.self)]
            }
            let wrapping = hkdf(secret, salt: share + point, info: Array(info.utf8))
            let nonce = try ChaChaPoly.Nonce(data: [UInt8](repeating: 0, count: 12))
            let box = try ChaChaPoly.seal(key.bytes, using: SymmetricKey(data: wrapping), nonce: nonce)
            return SealedHeader.Stanza(
                words + [String(decoding: unpadded(share), as: UTF8.self)], body: Array(box.ciphertext + box.tag))
        } catch { throw Failure(.badRequest, "this key cannot be used; make a new one with age-keygen") }
    }
}

/// HKDF-SHA-256, 32 bytes (RFC 5869).
func hkdf(_ key: [UInt8], salt: [UInt8], info: [UInt8]) -> [UInt8] {
    HKDF<SHA256>.deriveKey(
        inputKeyMaterial: SymmetricKey(data: key), salt: salt, info: info, outputByteCount: 32
    ).withUnsafeBytes { Array($0) }
}

/// Base64 without padding.
func unpadded(_ bytes: [UInt8]) -> [UInt8] { Array(Base64.encode(bytes).prefix { $0 != UInt8(ascii: "=") }) }
