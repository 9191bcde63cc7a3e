/// CRC-32C (Castagnoli), eight bytes at a step.
package enum CRC32C {
    /// Eight tables of 256 words in one array.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for index in 0..<256 {
            var word = UInt32(index)
            for _ in 0..<8 { word = word & 1 == 1 ? word >> 1 ^ 0x82F6_3B78 : word >> 1 }
            tables[index] = word
        }
        for index in 0..<256 {
            for step in 1..<8 {
                let last = tables[(step - 1) * 256 + index]
                tables[step * 256 + index] = last >> 8 ^ tables[Int(last & 0xFF)]
            }
        }
        return tables
    }()

    /// The checksum's register after `bytes`. It begins with all ones, or with a salt, and is inverted at the end.
    package static func register(_ start: UInt32, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
        tables.withUnsafeBufferPointer { tables in
            var register = start
            var place = 0
            while bytes.count - place >= 8 {
                let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
                let low = UInt32(truncatingIfNeeded: word) ^ register
                let high = UInt32(truncatingIfNeeded: word >> 32)
                register =
                    tables[7 * 256 + Int(low & 0xFF)] ^ tables[6 * 256 + Int(low >> 8 & 0xFF)]
                    ^ tables[5 * 256 + Int(low >> 16 & 0xFF)] ^ tables[4 * 256 + Int(low >> 24)]
                register ^=
                    tables[3 * 256 + Int(high & 0xFF)] ^ tables[2 * 256 + Int(high >> 8 & 0xFF)]
                    ^ tables[256 + Int(high >> 16 & 0xFF)] ^ tables[Int(high >> 24)]
                place += 8
            }
            while place < bytes.count {
                register = register >> 8 ^ tables[Int(UInt8(truncatingIfNeeded: register) ^ bytes[place])]
                place += 1
            }
            return register
        }
    }

    /// The usual checksum of `bytes`.
    package static func checksum(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.withUnsafeBytes { register(.max, $0) }
    }
}
