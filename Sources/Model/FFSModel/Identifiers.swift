/// The SHA-256 of a content's bytes: its name in the repository and its ETag.
package struct ContentDigest: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// 32 bytes as four big-endian words, so that a digest is a plain value with no allocation.
    package let words: (UInt64, UInt64, UInt64, UInt64)

    @inlinable package init(words: (UInt64, UInt64, UInt64, UInt64)) { self.words = words }

    /// nil unless there are 32 bytes.
    @inlinable package init?(bytes: some Sequence<UInt8>) {
        var (a, b, c, d): (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        var count = 0
        for byte in bytes {
            guard count < 32 else { return nil }
            // The top byte of each word moves into the word before it.
            (a, b, c, d) = (a << 8 | b >> 56, b << 8 | c >> 56, c << 8 | d >> 56, d << 8 | UInt64(byte))
            count += 1
        }
        guard count == 32 else { return nil }
        self.init(words: (a, b, c, d))
    }

    /// The same of bytes that lie together: no witness table is asked for each.
    package init?(hex: ArraySlice<UInt8>) {
        guard hex.count == 64 else { return nil }
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        var isHex = true
        hex.withUnsafeBufferPointer { hex in
            func word(_ start: Int) -> UInt64 {
                var word: UInt64 = 0
                for index in start..<start + 16 {
                    let value = Hex.value(hex[index])
                    isHex = isHex && value != nil
                    word = word << 4 | UInt64(value ?? 0)
                }
                return word
            }
            words = (word(0), word(16), word(32), word(48))
        }
        guard isHex else { return nil }
        self.init(words: words)
    }

    /// nil unless `hex` is 64 lower-case hexadecimal digits.
    @inlinable package init?(hex: some Collection<UInt8>) {
        var (a, b, c, d): (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        var count = 0
        for character in hex {
            guard count < 64, let value = Hex.value(character) else { return nil }
            (a, b, c, d) = (a << 4 | b >> 60, b << 4 | c >> 60, c << 4 | d >> 60, d << 4 | UInt64(value))
            count += 1
        }
        guard count == 64 else { return nil }
        self.init(words: (a, b, c, d))
    }

    package init?(_ hex: String) { self.init(hex: hex.utf8) }

    package var bytes: [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 32) { out, count in
            for (number, word) in [words.0, words.1, words.2, words.3].enumerated() {
                for place in 0..<8 { out[8 * number + place] = UInt8(truncatingIfNeeded: word >> (56 - 8 * place)) }
            }
            count = 32
        }
    }

    /// Appends the 64 digits.
    package func appendHex(to out: inout [UInt8]) {
        for word in [words.0, words.1, words.2, words.3] {
            for shift in stride(from: 60, through: 0, by: -4) {
                out.append(Hex.digit(UInt8(truncatingIfNeeded: word >> UInt64(shift)) & 15))
            }
        }
    }

    package var hex: [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(64)
        appendHex(to: &out)
        return out
    }
    package var description: String {
        String(unsafeUninitializedCapacity: 64) { out in
            for (number, word) in [words.0, words.1, words.2, words.3].enumerated() {
                for place in 0..<16 {
                    out[16 * number + place] = Hex.digit(UInt8(truncatingIfNeeded: word >> UInt64(60 - 4 * place)) & 15)
                }
            }
            return 64
        }
    }

    package static func == (a: Self, b: Self) -> Bool { a.words == b.words }
    package static func < (a: Self, b: Self) -> Bool { a.words < b.words }
    package func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
    }
}

/// 128 random bits, written as 32 hexadecimal digits.
package struct ID128: Sendable, Hashable, CustomStringConvertible {
    private let high: UInt64
    private let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A fresh one, from the system's generator (getrandom(2)).
    package static func random() -> ID128 {
        var generator = SystemRandomNumberGenerator()
        return ID128(high: generator.next(), low: generator.next())
    }

    /// nil unless `hex` is 32 lower-case hexadecimal digits.
    package init?(hex: some Collection<UInt8>) {
        guard hex.count == 32, let bytes = Hex.decode(hex) else { return nil }
        high = bytes[0..<8].reduce(0) { $0 << 8 | UInt64($1) }
        low = bytes[8..<16].reduce(0) { $0 << 8 | UInt64($1) }
    }

    package init?(_ hex: String) { self.init(hex: Array(hex.utf8)) }

    /// nil unless there are 16 bytes.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        high = bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        low = bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Appends the 16 bytes.
    package func append(to out: inout [UInt8]) {
        for word in [high, low] {
            for shift in stride(from: 56, through: 0, by: -8) {
                out.append(UInt8(truncatingIfNeeded: word >> UInt64(shift)))
            }
        }
    }

    package var bytes: [UInt8] {
        [high, low].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) } }
    }

    package var description: String { Hex.string(bytes) }
}

/// Names one request; a repeat within 24 hours gets the first reply (ffs-commlink(7)).
package typealias RequestID = ID128

/// Follows one customer action through web request, commlink, staging, FTP session and log row.
package typealias TraceID = ID128
