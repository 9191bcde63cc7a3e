import Crypto
import FFSModel

/// An Ed25519 key that signs notes (C2SP signed-note) or cosigns checkpoints (C2SP tlog-cosignature).
package struct NoteKey: Sendable, Hashable, CustomStringConvertible {
    package enum Kind: UInt8, Sendable {
        /// Signs the text.
        case note = 1
        /// Signs the text and a time: the statement of a witness.
        case cosignature = 4
    }

    package let name: String
    package let kind: Kind
    /// 32 bytes.
    package let publicKey: [UInt8]

    /// Throws `key` for a name with blanks or a key of another length.
    package init(name: String, kind: Kind, publicKey: [UInt8]) throws(TransparencyError) {
        guard SignedNote.isName(name), publicKey.count == 32 else { throw .key }
        self.name = name
        self.kind = kind
        self.publicKey = publicKey
    }

    /// The inverse of ``description``; throws `key`.
    package init(_ text: String) throws(TransparencyError) {
        let parts = text.utf8.split(separator: UInt8(ascii: "+"), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let blob = Base64.decode(Array(parts[2])), let first = blob.first,
            let kind = Kind(rawValue: first), let name = String(validating: parts[0], as: UTF8.self)
        else { throw .key }
        try self.init(name: name, kind: kind, publicKey: Array(blob.dropFirst()))
        guard parts[1].elementsEqual(idText.utf8) else { throw .key }
    }

    /// The first four bytes of SHA-256(name ‖ newline ‖ kind ‖ key).
    package var id: UInt32 {
        let hash = TreeHashing.hash(Array(name.utf8) + [UInt8(ascii: "\n"), kind.rawValue] + publicKey)
        return UInt32(truncatingIfNeeded: hash.words.0 >> 32)
    }

    private var idText: String { Hex.string((0..<4).map { UInt8(truncatingIfNeeded: id >> (24 - 8 * $0)) }) }

    /// `name+id+base64`: how keys are written down.
    package var description: String {
        "\(name)+\(idText)+" + String(decoding: Base64.encode([kind.rawValue] + publicKey), as: UTF8.self)
    }

    /// The time of this witness's cosignature (seconds since 1970), zero for a plain signature; nil where the note has none that
    /// is true.
    package func time(in note: SignedNote) -> UInt64? {
        for signature in note.signatures where signature.name == name && signature.keyID == id {
            guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: publicKey) else { return nil }
            switch kind {
            case .note:
                if key.isValidSignature(signature.bytes, for: note.text) { return 0 }
            case .cosignature:
                guard signature.bytes.count == 72 else { continue }
                let time = signature.bytes.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                let message = Self.cosigned(note.text, at: time)
                if key.isValidSignature(signature.bytes.dropFirst(8), for: message) { return time }
            }
        }
        return nil
    }

    /// Whether the note carries this key's own signature.
    package func hasSigned(_ note: SignedNote) -> Bool { time(in: note) != nil }

    /// What a witness signs.
    static func cosigned(_ text: [UInt8], at time: UInt64) -> [UInt8] {
        Array("cosignature/v1\ntime \(time)\n".utf8) + text
    }
}

/// The private half.
package struct NoteSigner: Sendable {
    package let key: NoteKey
    private let secret: Curve25519.Signing.PrivateKey

    /// - Parameter seed: 32 secret bytes. Throws `key` for others.
    package init(name: String, kind: NoteKey.Kind, seed: [UInt8]) throws(TransparencyError) {
        guard seed.count == 32, let secret = try? Curve25519.Signing.PrivateKey(rawRepresentation: seed) else {
            throw .key
        }
        self.secret = secret
        key = try NoteKey(name: name, kind: kind, publicKey: Array(secret.publicKey.rawRepresentation))
    }

    /// - Parameter time: of a cosignature, seconds since 1970.
    package func sign(_ text: [UInt8], at time: UInt64 = 0) throws(TransparencyError) -> SignedNote.Signature {
        let isCosignature = key.kind == .cosignature
        let message = isCosignature ? NoteKey.cosigned(text, at: time) : text
        guard let signature = try? secret.signature(for: message) else { throw .signature }
        let before = isCosignature ? (0..<8).map { UInt8(truncatingIfNeeded: time >> (56 - 8 * UInt64($0))) } : []
        return SignedNote.Signature(name: key.name, keyID: key.id, bytes: before + signature)
    }
}
