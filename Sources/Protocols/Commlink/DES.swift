import COpenSSL

/// A DES key as a key bag may hold it: odd parity, neither weak nor semi-weak (FIPS 46-3, SP 800-67 §3.3.2).
package struct DESKey: Sendable, Hashable {
    /// 8 bytes, most significant first.
    package let bits: UInt64

    /// nil when the parity is wrong or the key is weak or semi-weak.
    package init?(bits: UInt64) {
        var block = cblock(bits)
        guard DES_check_key_parity(&block) == 1, DES_is_weak_key(&block) == 0 else { return nil }
        self.bits = bits
    }

    /// The key that 64 random bits give once their parity is set; nil in the rare case that it is weak.
    package init?(random bits: UInt64) {
        var block = cblock(bits)
        DES_set_odd_parity(&block)
        self.init(bits: UInt64(cblock: block))
    }
}

/// DES in CBC mode with PKCS#7 padding (FIPS 81, RFC 5652 §6.3), the key schedule computed once.
///
/// OpenSSL's low-level calls are used because DES lives in the legacy provider, a module on disk that
/// cannot be loaded after chroot(2).
struct DESCipher: Sendable {
    private var schedule = DES_key_schedule()

    static let blockSize = 8

    init(_ key: DESKey) {
        var block = cblock(key.bits)
        DES_set_key_unchecked(&block, &schedule)
    }

    /// The length of the cipher text of `count` bytes: padding adds 1 to 8.
    static func sealedCount(_ count: Int) -> Int { (count / blockSize + 1) * blockSize }

    /// Encrypts `bytes[range]` in place; the range is a whole number of blocks, padding included.
    mutating func encrypt(_ bytes: inout [UInt8], _ range: Range<Int>, iv: UInt64) {
        run(&bytes, range, iv, DES_ENCRYPT)
    }

    /// Decrypts `bytes[range]` in place and returns how many of its bytes are body; nil when the padding is wrong.
    /// Call it on authenticated bytes alone: on others the nil is a padding oracle.
    mutating func decrypt(_ bytes: inout [UInt8], _ range: Range<Int>, iv: UInt64) -> Int? {
        guard !range.isEmpty, range.count.isMultiple(of: Self.blockSize) else { return nil }
        run(&bytes, range, iv, DES_DECRYPT)
        let padding = bytes[range.upperBound - 1]
        guard (1...8).contains(padding),
            bytes[(range.upperBound - Int(padding))..<range.upperBound].allSatisfy({ $0 == padding })
        else { return nil }
        return range.count - Int(padding)
    }

    private mutating func run(_ bytes: inout [UInt8], _ range: Range<Int>, _ iv: UInt64, _ direction: Int32) {
        var vector = cblock(iv)
        bytes.withUnsafeMutableBufferPointer { buffer in
            let part = buffer[range]
            let base = UnsafeMutableBufferPointer(rebasing: part).baseAddress
            DES_ncbc_encrypt(base, base, part.count, &schedule, &vector, direction)
        }
    }
}

private typealias CBlock = (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)

private func cblock(_ bits: UInt64) -> CBlock { unsafeBitCast(bits.bigEndian, to: CBlock.self) }

extension UInt64 {
    fileprivate init(cblock: CBlock) { self = UInt64(bigEndian: unsafeBitCast(cblock, to: UInt64.self)) }
}
