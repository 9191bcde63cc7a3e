/// Algorithms of HASH (draft-bryan-ftpext-hash-02 §3.2) and of the older X commands.
package enum HashAlgorithm: String, Sendable, CaseIterable {
    case sha256 = "SHA-256", sha512 = "SHA-512", sha1 = "SHA-1", md5 = "MD5", crc32 = "CRC32"

    /// `HASH SHA-256*;SHA-512;…`: the star marks the one in force.
    package static func featureLine(selected: HashAlgorithm) -> String {
        "HASH " + allCases.map { $0.rawValue + ($0 == selected ? "*" : "") + ";" }.joined()
    }
}

/// CRC-32 as in ISO 3309 and zip; what XCRC returns.
package struct CRC32: Sendable {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
    }

    private var state: UInt32 = 0xFFFF_FFFF

    package init() {}

    /// The next bytes of the file.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        Self.table.withUnsafeBufferPointer { table in
            for byte in bytes { state = table[Int(UInt8(truncatingIfNeeded: state) ^ byte)] ^ state >> 8 }
        }
    }

    package var value: UInt32 { ~state }
}
