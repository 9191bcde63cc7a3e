/// BIP 173's checksummed text, in which age writes its keys. No bound of 90 characters, as age has none.
enum Bech32 {
    private static let alphabet = Array("qpzry9x8gf2tvdw0s3jn54khce6mua7l".utf8)

    /// The bytes behind `prefix` and `1`; nil when prefix, checksum or padding are not right, or the case is mixed.
    static func decode(_ text: some Collection<UInt8>, prefix: String) -> [UInt8]? {
        let isUpper = text.contains { (0x41...0x5A).contains($0) }
        if isUpper && text.contains(where: { (0x61...0x7A).contains($0) }) { return nil }
        let lower = isUpper ? text.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 } : Array(text)
        guard lower.starts(with: prefix.utf8), lower.count >= prefix.utf8.count + 7 else { return nil }
        guard lower[prefix.utf8.count] == UInt8(ascii: "1") else { return nil }
        var values: [UInt8] = []
        for character in lower[(prefix.utf8.count + 1)...] {
            guard let value = alphabet.firstIndex(of: character) else { return nil }
            values.append(UInt8(value))
        }
        guard checksum(prefix, values) == 1 else { return nil }
        return regroup(values.dropLast(6))
    }

    static func encode(_ bytes: [UInt8], prefix: String) -> String {
        var values: [UInt8] = []
        var (buffer, bits): (UInt32, UInt32) = (0, 0)
        for byte in bytes {
            buffer = buffer << 8 | UInt32(byte)
            bits += 8
            while bits >= 5 {
                bits -= 5
                values.append(UInt8(buffer >> bits & 31))
            }
        }
        if bits > 0 { values.append(UInt8(buffer << (5 - bits) & 31)) }
        let sum = checksum(prefix, values + [UInt8](repeating: 0, count: 6)) ^ 1
        values += (0..<6).map { UInt8(sum >> (5 * (5 - $0)) & 31) }
        return prefix + "1" + String(decoding: values.map { alphabet[Int($0)] }, as: UTF8.self)
    }

    /// Groups of 5 bits to bytes; nil unless what is left over is zero and less than a group.
    private static func regroup(_ values: some Collection<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        var (buffer, bits): (UInt32, UInt32) = (0, 0)
        for value in values {
            buffer = (buffer << 5 | UInt32(value)) & 0xFFFF
            bits += 5
            guard bits >= 8 else { continue }
            bits -= 8
            bytes.append(UInt8(truncatingIfNeeded: buffer >> bits))
        }
        guard bits < 5, buffer & (1 << bits - 1) == 0 else { return nil }
        return bytes
    }

    private static func checksum(_ prefix: String, _ values: [UInt8]) -> UInt32 {
        let generator: [UInt32] = [0x3B6A_57B2, 0x2650_8E6D, 0x1EA1_19FA, 0x3D42_33DD, 0x2A14_62B3]
        var sum: UInt32 = 1
        for value in prefix.utf8.map({ $0 >> 5 }) + [0] + prefix.utf8.map({ $0 & 31 }) + values {
            let top = sum >> 25
            sum = (sum & 0x1FF_FFFF) << 5 ^ UInt32(value)
            for (place, word) in generator.enumerated() where top >> UInt32(place) & 1 == 1 { sum ^= word }
        }
        return sum
    }
}
