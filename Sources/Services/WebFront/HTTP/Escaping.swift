import FFSModel

/// Text into HTML, URLs and shell commands. Every name that reaches a page goes through one of these.
enum Escaping {
    /// Safe as element content and inside a quoted attribute.
    ///
    /// Works on bytes: `<` or `"` followed by a combining mark is one Swift `Character` that equals neither,
    /// and an escaper that compares Characters lets it through.
    static func html(_ text: String) -> String {
        var out: [UInt8] = []
        out.reserveCapacity(text.utf8.count + 16)
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "&"): out += Array("&amp;".utf8)
            case UInt8(ascii: "<"): out += Array("&lt;".utf8)
            case UInt8(ascii: ">"): out += Array("&gt;".utf8)
            case UInt8(ascii: "\""): out += Array("&quot;".utf8)
            case UInt8(ascii: "'"): out += Array("&#39;".utf8)
            default: out.append(byte)
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// A path in a URL: everything but RFC 3986's unreserved characters and `/` as `%XX`, so that the result needs no
    /// escaping in HTML and only plain quotes in a shell.
    static func urlPath(_ bytes: some Sequence<UInt8>) -> String {
        percentEncode(bytes) { $0.isASCIILetterOrDigit || "-._~/".utf8.contains($0) }
    }

    /// One value in a URL's query.
    static func urlQuery(_ text: String) -> String {
        percentEncode(text.utf8) { $0.isASCIILetterOrDigit || "-._~".utf8.contains($0) }
    }

    /// One word for a POSIX shell: itself when nothing in it could be special, else in single quotes.
    static func shell(_ word: String) -> String {
        let plain = word.utf8.allSatisfy { $0.isASCIILetterOrDigit || "-._~/:@%+,=".utf8.contains($0) }
        guard !plain || word.isEmpty || word.hasPrefix("~") else { return word }
        return "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
    }

    private static func percentEncode(_ bytes: some Sequence<UInt8>, keep: (UInt8) -> Bool) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var out: [UInt8] = []
        for byte in bytes {
            if keep(byte) {
                out.append(byte)
            } else {
                out += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}
