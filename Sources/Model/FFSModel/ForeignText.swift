/// Characters that do not show what they are: C0, DEL and C1 control characters, which drive terminals; the marks that
/// turn the direction of writing (UAX #9), which make a name read as another; and the line and paragraph separators.
package func isHidden(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0...0x1F, 0x7F...0x9F, 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
    default: false
    }
}

/// Text of unknown origin for people's eyes, in logs, errors and on terminals: it can neither forge a line, nor drive a
/// terminal, nor read as something else. Hidden characters (``isHidden(_:)``) and bytes that are not UTF-8 appear as
/// `\xNN`, byte by byte.
///
/// - Parameter limit: at most so many bytes of `bytes` are shown; `...` stands for the rest.
package func printable(_ bytes: some Sequence<UInt8>, limit: Int = .max) -> String {
    var bytes = Array(bytes)
    let isCut = bytes.count > limit
    if isCut { bytes.removeSubrange(limit...) }
    let tail = isCut ? "..." : ""
    if bytes.allSatisfy({ (0x20...0x7E).contains($0) }) { return String(decoding: bytes, as: UTF8.self) + tail }
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count + 16)
    var rest = bytes[...]
    while let first = rest.first {
        let scalar = leadingScalar(of: rest)
        let count = scalar.map { UTF8.width($0) } ?? 1
        if let scalar, !isHidden(scalar) {
            out += rest.prefix(count)
        } else {
            for byte in scalar == nil ? [first] : Array(rest.prefix(count)) {
                out += Array("\\x".utf8) + Hex.encode([byte])
            }
        }
        rest = rest.dropFirst(count)
    }
    return String(decoding: out, as: UTF8.self) + tail
}

/// The character that well-formed UTF-8 begins with; nil where it is malformed.
private func leadingScalar(of bytes: ArraySlice<UInt8>) -> Unicode.Scalar? {
    var decoder = UTF8()
    var iterator = bytes.prefix(4).makeIterator()
    guard case .scalarValue(let scalar) = decoder.decode(&iterator) else { return nil }
    return scalar
}

/// JSON's strings, RFC 8259 §7.
package enum JSON {
    /// Appends `bytes` as a string with its quotation marks. Hidden characters (``isHidden(_:)``) are escaped, so that
    /// the text may be shown as it is; what is not UTF-8 becomes U+FFFD.
    package static func append(_ bytes: some Sequence<UInt8>, to out: inout [UInt8]) {
        out.append(UInt8(ascii: "\""))
        appendEscaped(bytes, to: &out)
        out.append(UInt8(ascii: "\""))
    }

    /// `bytes` as a string with its quotation marks.
    package static func string(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        var out: [UInt8] = []
        append(bytes, to: &out)
        return out
    }

    /// The same without quotation marks around it.
    package static func appendEscaped(_ bytes: some Sequence<UInt8>, to out: inout [UInt8]) {
        let bytes = Array(bytes)
        if bytes.allSatisfy({ $0 < 0x80 }) {
            for byte in bytes { append(ascii: byte, to: &out) }
            return
        }
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            if scalar.isASCII {
                append(ascii: UInt8(scalar.value), to: &out)
            } else if isHidden(scalar) {
                appendEscape(UInt16(scalar.value), to: &out)
            } else {
                out += UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
            }
        }
    }

    private static func append(ascii byte: UInt8, to out: inout [UInt8]) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): out += [UInt8(ascii: "\\"), byte]
        case 0x0A: out += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
        case 0x0D: out += [UInt8(ascii: "\\"), UInt8(ascii: "r")]
        case 0x09: out += [UInt8(ascii: "\\"), UInt8(ascii: "t")]
        case 0x00..<0x20, 0x7F: appendEscape(UInt16(byte), to: &out)
        default: out.append(byte)
        }
    }

    private static func appendEscape(_ unit: UInt16, to out: inout [UInt8]) {
        out += [UInt8(ascii: "\\"), UInt8(ascii: "u")]
        out += Hex.encode([UInt8(unit >> 8), UInt8(truncatingIfNeeded: unit)])
    }
}

/// RFC 3986 §2.1: `%XX` for every byte but letters, digits and those of `kept`.
package func percentEncoded(_ bytes: some Sequence<UInt8>, keeping kept: StaticString) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var out: [UInt8] = []
    for byte in bytes {
        if byte.isASCIILetterOrDigit || kept.withUTF8Buffer({ $0.contains(byte) }) {
            out.append(byte)
        } else {
            out += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
    }
    return String(decoding: out, as: UTF8.self)
}
