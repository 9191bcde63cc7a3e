/// A reply of RFC 959 §4.2: a three-digit code and one or more lines.
package struct Reply: Sendable, Hashable {
    package let code: Int
    /// The first line's text, and the last's when there are no inner lines.
    package let text: [UInt8]
    /// For a multi-line reply: the inner lines, and the text of the last.
    package let inner: [[UInt8]]
    package let last: [UInt8]

    package init(_ code: Int, _ text: String) { self.init(code, bytes: Array(text.utf8)) }

    package init(_ code: Int, bytes: [UInt8]) {
        self.code = code
        self.text = bytes
        inner = []
        last = []
    }

    /// `code-text`, the inner lines each behind one space, `code last`.
    package init(_ code: Int, _ text: String, inner: [[UInt8]], last: String) {
        self.code = code
        self.text = Array(text.utf8)
        self.inner = inner
        self.last = Array(last.utf8)
    }

    /// For RANG and the X digests.
    package static var endsBeforeItStarts: Reply { Reply(501, "The range ends before it starts.") }

    /// 150 for a file, in vsftpd's words: Python's ftplib and others take the size of what comes from `(… bytes)`, their
    /// only check against an end too soon.
    ///
    ///     C: RETR big.iso
    ///     S: 150 Opening BINARY mode data connection for big.iso (8388608 bytes).
    ///
    /// - Parameters:
    ///   - name: the path's last name: a whole path might push the size over the line's end.
    ///   - size: of the whole file; nil where other bytes than the file's are sent, so that their number is not known.
    package static func opening(_ name: some Collection<UInt8>, isASCII: Bool, size: UInt64?) -> Reply {
        var text = Array("Opening \(isASCII ? "ASCII" : "BINARY") mode data connection for ".utf8) + name
        if let size { text += " (\(size) bytes)".utf8 }
        return Reply(150, bytes: text + [UInt8(ascii: ".")])
    }

    /// Appends the wire form. Inner lines start with a space, so that none can look like a reply's last line
    /// (RFC 959 §4.2); control characters become `?`, and lines are cut at 1,900 bytes because
    /// WinSCP stops reading at 2,000. Never inside a character: after one reply that is no UTF-8 it stops to use it.
    package func encode(into out: inout [UInt8]) {
        let digits = [UInt8(48 + code / 100 % 10), UInt8(48 + code / 10 % 10), UInt8(48 + code % 10)]
        func line(_ separator: UInt8, _ text: [UInt8]) {
            out += digits
            out.append(separator)
            Self.append(text, to: &out)
        }
        if inner.isEmpty && last.isEmpty { return line(UInt8(ascii: " "), text) }
        line(UInt8(ascii: "-"), text)
        for text in inner {
            out.append(UInt8(ascii: " "))
            Self.append(text, to: &out)
        }
        line(UInt8(ascii: " "), last)
    }

    private static let longestText = 1_900

    private static func append(_ text: [UInt8], to out: inout [UInt8]) {
        var end = min(text.count, longestText)
        if end < text.count {
            let whole = end
            while end > 0, whole - end < 3, text[end] & 0xC0 == 0x80 { end -= 1 }
            // Four continuation bytes in a row are no UTF-8 anyway.
            if text[end] & 0xC0 == 0x80 { end = whole }
        }
        for byte in text[..<end] { out.append(byte < 0x20 || byte == 0x7F ? UInt8(ascii: "?") : byte) }
        out.append(UInt8(ascii: "\r"))
        out.append(UInt8(ascii: "\n"))
    }

    /// The wire form; for tests and one-off replies.
    package var encoded: [UInt8] {
        var out: [UInt8] = []
        encode(into: &out)
        return out
    }
}
