import FFSModel

/// Text into HTML, URLs and shell commands. Every name that reaches a page goes through one of these.
///
/// All of them work on bytes: `<`, `"` or `'` followed by a combining mark is one Swift `Character` that equals none of
/// them, and an escaper that compares Characters lets it through.
enum Escaping {
    /// Safe as element content and inside a quoted attribute.
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
        percentEncoded(bytes, keeping: "-._~/")
    }

    /// One value in a URL's query.
    static func urlQuery(_ text: String) -> String {
        percentEncoded(text.utf8, keeping: "-._~")
    }

    /// One word for a POSIX shell: itself when nothing in it could be special, else in single quotes.
    static func shell(_ word: String) -> String { shell(Array(word.utf8)) }

    /// One word for a POSIX shell that is exactly `bytes`, whatever they are.
    ///
    /// What no page can show, and what a terminal would take for a key when the command is pasted (`^C` ends a quoted
    /// line, and the rest of it would run), is written by printf(1). A line feed stays as it is inside quotes.
    static func shell(_ bytes: [UInt8]) -> String {
        let plain = bytes.allSatisfy { $0.isASCIILetterOrDigit || "-._~/:@%+,=".utf8.contains($0) }
        if plain, !bytes.isEmpty, bytes.first != UInt8(ascii: "~") { return String(decoding: bytes, as: UTF8.self) }
        let quote = UInt8(ascii: "'")
        var out = [quote]
        for part in runs(bytes) {
            guard part.isText else {
                out += Array(#"'"$(printf '"#.utf8)
                for byte in part.bytes { out += [UInt8(ascii: "\\")] + octal(byte) }
                out += Array(#"')"'"#.utf8)
                continue
            }
            for byte in part.bytes { out += byte == quote ? Array(#"'\''"#.utf8) : [byte] }
        }
        return String(decoding: out + [quote], as: UTF8.self)
    }

    private static func octal(_ byte: UInt8) -> [UInt8] { [byte >> 6, byte >> 3 & 7, byte & 7].map { $0 + 0x30 } }

    /// `bytes` in runs of what stands in a command as it is, valid UTF-8 without control characters, and what does not.
    private static func runs(_ bytes: [UInt8]) -> [(isText: Bool, bytes: ArraySlice<UInt8>)] {
        var runs: [(isText: Bool, bytes: ArraySlice<UInt8>)] = []
        var start = 0
        while start < bytes.count {
            let length = textLength(bytes[start...])
            let end = start + max(length, 1)
            if let last = runs.last, last.isText == (length > 0) {
                runs[runs.count - 1].bytes = bytes[last.bytes.startIndex..<end]
            } else {
                runs.append((length > 0, bytes[start..<end]))
            }
            start = end
        }
        return runs
    }

    /// Bytes of the character at the front, 0 when it is not to stand as it is.
    private static func textLength(_ bytes: ArraySlice<UInt8>) -> Int {
        guard let first = bytes.first else { return 0 }
        if first < 0x80 { return first == 0x0A || (0x20..<0x7F).contains(first) ? 1 : 0 }
        let length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2
        guard let text = String(validating: bytes.prefix(length), as: UTF8.self),
            text.unicodeScalars.count == 1, let scalar = text.unicodeScalars.first
        else { return 0 }
        // C1 controls, and the marks that turn the direction of what follows.
        switch scalar.value {
        case 0x80...0x9F, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: return 0
        default: return length
        }
    }
}

extension String {
    /// The parts between bytes `separator`, empty ones too. Not `split` of Characters: a separator with a combining
    /// mark behind it, or a CR with its LF, is one Character that equals no separator.
    func parts(_ separator: Unicode.Scalar, most: Int = .max) -> [String] {
        utf8.split(separator: UInt8(ascii: separator), maxSplits: most - 1, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
    }

    /// Whether both are the same bytes. `==` takes canonically equivalent text for the same.
    func isSame(as other: some StringProtocol) -> Bool { utf8.elementsEqual(other.utf8) }

    func starts(bytes prefix: String) -> Bool { utf8.starts(with: prefix.utf8) }

    /// ASCII letters in lower case, spaces and tabs around it gone: a token or media type for comparison.
    var token: String {
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
        let end = utf8.reversed().drop(while: isSpace).reversed().drop(while: isSpace)
        return String(decoding: end.map { (0x41...0x5A).contains($0) ? $0 + 32 : $0 }, as: UTF8.self)
    }

    /// At most `count` bytes of it, whole scalars: what a page shows again of what was typed.
    func bounded(_ count: Int) -> String {
        guard utf8.count > count else { return self }
        var text = ""
        for scalar in unicodeScalars {
            guard text.utf8.count + scalar.utf8.count <= count else { break }
            text.unicodeScalars.append(scalar)
        }
        return text
    }
}
