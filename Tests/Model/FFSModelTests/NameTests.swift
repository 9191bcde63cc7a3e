import FFSModel
import Testing

@Suite struct NameTests {
    @Test(arguments: ["a", "acme", "Acme-2.0", "jo@example.com", "x+y_z", String(repeating: "a", count: 64)])
    func customerNames(_ text: String) throws { #expect(try CustomerName(text).text == text) }

    @Test(arguments: [
        "", "-a", ".hidden", "..", "a b", "a/b", "a\u{0}b", "a\r\nb", "a;b", "é", "<b>", "a\u{1B}[1m",
        String(repeating: "a", count: 65), String(repeating: "a", count: 5_000),
    ])
    func whatIsNoName(_ text: String) {
        #expect(throws: NameError.self) { try CustomerName(text) }
        #expect(throws: NameError.self) { try ProductName(text) }
        #expect(throws: NameError.self) { try VersionName(text) }
        #expect(throws: NameError.self) { try AccountID(text) }
    }

    @Test func anErrorNamesTheRule() {
        #expect(
            throws: NameError(
                description: "a product name starts with a letter or digit and holds only letters, digits and + - . _")
        ) {
            try ProductName("a b")
        }
    }

    @Test(arguments: ["a", "a/b", "dir/Ünï.txt", " leading", String(repeating: "a", count: 255)])
    func relativePaths(_ text: String) throws { #expect(try RelativePath(text).description == text) }

    @Test func pathsNeedNotBeUTF8() throws {
        let latin1: [UInt8] = [0x66, 0xFC, 0x72]
        #expect(try RelativePath(bytes: latin1).bytes == latin1)
    }

    @Test(arguments: [
        "", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a/.", "a\u{0}b", "a\r\nb", "a\u{7F}", "a\u{1B}b",
        String(repeating: "a", count: 256), String(repeating: "a/", count: 2_500) + "a",
    ])
    func whatIsNoPath(_ text: String) { #expect(throws: NameError.self) { try RelativePath(text) } }

    /// Two names that Swift's String calls equal are two files on Linux.
    @Test func canonicalTwinsStayApart() throws {
        #expect(try RelativePath("\u{E9}") != RelativePath("e\u{301}"))
    }
}
