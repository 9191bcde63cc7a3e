import Crypto
package import FFSModel

/// age v1's payload: a nonce of 16 bytes, then chunks of 64 KiB, each with a tag of 16 bytes; the last one is marked, and
/// empty only when it is the only one.
package enum SealedPayload {
    /// Bytes of a chunk before it is sealed.
    package static let chunk = 65_536
    static let tag = 16
    package static let nonce = 16

    /// Bytes of the payload of `plain` bytes.
    package static func size(of plain: UInt64) -> UInt64 {
        UInt64(nonce) + plain + UInt64(tag) * max(1, (plain + UInt64(chunk) - 1) / UInt64(chunk))
    }

    /// Bytes that a payload of `size` bytes holds; nil when none has that size.
    package static func plainSize(_ size: UInt64) -> UInt64? {
        guard size >= UInt64(nonce + tag) else { return nil }
        let whole = UInt64(chunk + tag)
        let (chunks, rest) = (size - UInt64(nonce)).quotientAndRemainder(dividingBy: whole)
        guard rest != 0 else { return chunks * UInt64(chunk) }
        guard rest > UInt64(tag) || chunks == 0 && rest == UInt64(tag) else { return nil }
        return chunks * UInt64(chunk) + rest - UInt64(tag)
    }

    /// The chunk's number and whether it is the last, as its nonce.
    fileprivate static func nonce(_ number: UInt64, isLast: Bool) throws -> ChaChaPoly.Nonce {
        let counter = (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) }
        return try ChaChaPoly.Nonce(data: [0, 0, 0] + counter + [isLast ? 1 : 0])
    }

    fileprivate static func key(_ key: FileKey, _ nonce: [UInt8]) -> SymmetricKey {
        SymmetricKey(data: hkdf(key.bytes, salt: nonce, info: Array("payload".utf8)))
    }
}

/// Seals a payload chunk by chunk. One sealer for one payload: the same key and nonce never seal other bytes.
package struct PayloadSealer: ~Copyable {
    private let key: SymmetricKey
    private var number: UInt64 = 0

    /// - Parameter nonce: 16 random bytes, which the payload begins with.
    package init(_ key: FileKey, nonce: [UInt8]) {
        precondition(nonce.count == SealedPayload.nonce)
        self.key = SealedPayload.key(key, nonce)
    }

    /// The sealed chunk. All but the last have exactly ``SealedPayload/chunk`` bytes.
    package mutating func seal(_ plain: [UInt8], isLast: Bool) throws(Failure) -> [UInt8] {
        precondition(plain.count == SealedPayload.chunk || isLast && plain.count < SealedPayload.chunk)
        defer { number += 1 }
        do {
            let box = try ChaChaPoly.seal(plain, using: key, nonce: try SealedPayload.nonce(number, isLast: isLast))
            return Array(box.ciphertext) + box.tag
        } catch { throw Failure(.internal, "a chunk could not be sealed", cause: "\(error)") }
    }
}

/// Opens a payload chunk by chunk.
package struct PayloadOpener: ~Copyable {
    private let key: SymmetricKey
    private var number: UInt64 = 0

    /// - Parameter nonce: the payload's first 16 bytes.
    package init(_ key: FileKey, nonce: [UInt8]) { self.key = SealedPayload.key(key, nonce) }

    /// The chunk's bytes. Throws `corrupt` when it is not the one that was sealed in this place.
    package mutating func open(_ sealed: [UInt8], isLast: Bool) throws(Failure) -> [UInt8] {
        let damaged = Failure(.corrupt, "chunk \(number) of the sealed content is damaged, missing or not the last")
        guard sealed.count >= SealedPayload.tag, isLast || sealed.count == SealedPayload.chunk + SealedPayload.tag,
            sealed.count > SealedPayload.tag || number == 0
        else { throw damaged }
        do {
            let box = try ChaChaPoly.SealedBox(
                nonce: try SealedPayload.nonce(number, isLast: isLast), ciphertext: sealed.dropLast(SealedPayload.tag),
                tag: sealed.suffix(SealedPayload.tag))
            defer { number += 1 }
            return Array(try ChaChaPoly.open(box, using: key))
        } catch { throw damaged }
    }
}
