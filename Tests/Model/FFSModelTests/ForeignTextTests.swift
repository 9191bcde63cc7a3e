import FFSModel
import Testing

@Suite struct ForeignTextTests {
    /// Bytes, and what people see of them.
    private static let seen: [([UInt8], String)] = [
        (Array("plain name.iso".utf8), "plain name.iso"), (Array("Größe €".utf8), "Größe €"),
        (Array("a\nb".utf8), "a\\x0ab"), ([0x1B, 0x5B], "\\x1b["), (Array("\u{9B}2J".utf8), "\\xc2\\x9b2J"),
        (Array("a\u{202E}gpj.exe".utf8), "a\\xe2\\x80\\xaegpj.exe"),
        (Array("\u{2066}x\u{2069}".utf8), "\\xe2\\x81\\xa6x\\xe2\\x81\\xa9"),
        (Array("a\u{2028}b".utf8), "a\\xe2\\x80\\xa8b"), ([0x61, 0x9B, 0x62], "a\\x9bb"), ([0xE2, 0x80], "\\xe2\\x80"),
        ([0xC3], "\\xc3"), ([0xED, 0xA0, 0x80], "\\xed\\xa0\\x80"), ([], ""),
    ]

    @Test(arguments: seen)
    func whatIsHiddenIsShown(_ bytes: [UInt8], _ text: String) { #expect(printable(bytes) == text) }

    @Test func longTextIsCut() { #expect(printable("abcdef".utf8, limit: 4) == "abcd...") }

    @Test func jsonEscapesWhatItMustAndWhatIsHidden() {
        let text = Array("\"\\\n\r\t\u{1}\u{7F}\u{9B}\u{202E}ä€😀".utf8)
        #expect(
            String(decoding: JSON.string(text), as: UTF8.self)
                == #""\"\\\n\r\t\u0001\u007f\u009b\u202eä€😀""#)
        #expect(JSON.string([0x61, 0xFF]) == Array("\"a\u{FFFD}\"".utf8))
        #expect(JSON.string([]) == [0x22, 0x22])
    }

    @Test func percentEncodingKeepsWhatItIsTold() {
        #expect(percentEncoded("a b/c~ä%+@".utf8, keeping: "-._~/") == "a%20b/c~%C3%A4%25%2B%40")
        #expect(percentEncoded("a/b+@".utf8, keeping: "-._~+@") == "a%2Fb+@")
    }
}
