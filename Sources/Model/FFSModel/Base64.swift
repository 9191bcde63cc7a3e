/// RFC 4648 §4 base64: padded, canonical (unused bits are zero), no white space. The commlink's 7-bit filter.
package enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let pad = UInt8(ascii: "=")

    /// Value of each character, 0xFF for those outside the alphabet.
    private static let values: [UInt8] = {
        var table = [UInt8](repeating: 0xFF, count: 256)
        for (value, character) in alphabet.enumerated() { table[Int(character)] = UInt8(value) }
        return table
    }()

    /// With padding, on one line.
    package static func encode(_ bytes: [UInt8]) -> [UInt8] {
        let size = (bytes.count + 2) / 3 * 4
        return [UInt8](unsafeUninitializedCapacity: size) { out, count in
            alphabet.withUnsafeBufferPointer { digits in
                var o = 0
                var i = 0
                while i + 2 < bytes.count {
                    let group = UInt32(bytes[i]) << 16 | UInt32(bytes[i + 1]) << 8 | UInt32(bytes[i + 2])
                    out[o] = digits[Int(group >> 18)]
                    out[o + 1] = digits[Int(group >> 12 & 63)]
                    out[o + 2] = digits[Int(group >> 6 & 63)]
                    out[o + 3] = digits[Int(group & 63)]
                    i += 3
                    o += 4
                }
                if i < bytes.count {
                    let second = i + 1 < bytes.count ? UInt32(bytes[i + 1]) : 0
                    let group = UInt32(bytes[i]) << 16 | second << 8
                    out[o] = digits[Int(group >> 18)]
                    out[o + 1] = digits[Int(group >> 12 & 63)]
                    out[o + 2] = i + 1 < bytes.count ? digits[Int(group >> 6 & 63)] : pad
                    out[o + 3] = pad
                }
            }
            count = size
        }
    }

    /// nil for anything that `encode` would not have produced.
    package static func decode(_ text: [UInt8]) -> [UInt8]? {
        guard text.count.isMultiple(of: 4) else { return nil }
        guard !text.isEmpty else { return [] }
        let padding = text[text.count - 1] != pad ? 0 : text[text.count - 2] != pad ? 1 : 2
        let size = text.count / 4 * 3 - padding
        var valid = true
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { out, count in
            values.withUnsafeBufferPointer { values in
                var o = 0
                let last = text.count - 4
                for i in stride(from: 0, through: last, by: 4) {
                    let isLast = i == last
                    let a = values[Int(text[i])]
                    let b = values[Int(text[i + 1])]
                    let c = isLast && padding == 2 ? 0 : values[Int(text[i + 2])]
                    let d = isLast && padding >= 1 ? 0 : values[Int(text[i + 3])]
                    guard a | b | c | d < 64 else {
                        valid = false
                        break
                    }
                    let group = UInt32(a) << 18 | UInt32(b) << 12 | UInt32(c) << 6 | UInt32(d)
                    out[o] = UInt8(truncatingIfNeeded: group >> 16)
                    o += 1
                    if !(isLast && padding == 2) {
                        out[o] = UInt8(truncatingIfNeeded: group >> 8)
                        o += 1
                    } else if group & 0xFFFF != 0 {
                        valid = false
                    }
                    if !(isLast && padding >= 1) {
                        out[o] = UInt8(truncatingIfNeeded: group)
                        o += 1
                    } else if padding == 1, group & 0xFF != 0 {
                        valid = false
                    }
                }
                count = valid ? size : o
            }
        }
        return valid ? bytes : nil
    }
}
