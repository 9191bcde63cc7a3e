import Crypto
package import FFSModel

/// A hash of the tree: SHA-256.
package typealias TreeHash = ContentDigest

/// RFC 9162 §2.1.1: how leaves and nodes are hashed.
///
/// What the tree holds for a record is its *commitment*, SHA-256(salt ‖ record), with 32 random bytes of salt. Record and
/// salt can be erased and the tree stays whole; without the salt nobody can find a record by trying.
package enum TreeHashing {
    /// Bytes of salt in front of each record.
    package static let saltLength = 32

    /// The root of no leaves.
    package static let empty = hash([])

    /// The entry that the tree holds for a record: SHA-256(salt ‖ record).
    package static func commitment(salt: some Sequence<UInt8>, record: some Sequence<UInt8>) -> TreeHash {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(saltLength + record.underestimatedCount)
        bytes += salt
        bytes += record
        return hash(bytes)
    }

    /// The leaf of an entry: SHA-256(0x00 ‖ entry).
    package static func leaf(_ entry: some Sequence<UInt8>) -> TreeHash { hash([0] + entry) }

    /// The leaf of a commitment.
    package static func leaf(_ commitment: TreeHash) -> TreeHash { leaf(commitment.bytes) }

    /// The node above two others: SHA-256(0x01 ‖ left ‖ right).
    package static func node(_ left: TreeHash, _ right: TreeHash) -> TreeHash {
        var bytes: [UInt8] = [1]
        bytes.reserveCapacity(65)
        bytes += left.bytes
        bytes += right.bytes
        return hash(bytes)
    }

    package static func hash(_ bytes: [UInt8]) -> TreeHash {
        SHA256.hash(data: bytes).withUnsafeBytes { digest in
            func word(_ place: Int) -> UInt64 {
                UInt64(bigEndian: digest.loadUnaligned(fromByteOffset: 8 * place, as: UInt64.self))
            }
            return TreeHash(words: (word(0), word(1), word(2), word(3)))
        }
    }
}
