import FFSModel
import TestSupport
import Testing

@testable import WebFront

@Suite struct FormatTests {
    @Test(arguments: [
        (0, "0 bytes"), (1, "1 byte"), (1_023, "1023 bytes"), (1_024, "1 KiB"), (1_536, "1.5 KiB"),
        (1_048_575, "1 MiB"), (1_048_576, "1 MiB"), (5_368_709_120, "5 GiB"), (2_147_483_648 + 107_374_182, "2.1 GiB"),
        (161_061_273_600, "150 GiB"), (Int.max, "8 EiB"),
    ]) func sizes(bytes: Int, text: String) { #expect(Format.size(bytes) == text) }

    @Test(arguments: [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567"), (-1_005, "-1,005")])
    func numbers(value: Int, text: String) { #expect(Format.number(value) == text) }

    @Test(arguments: [
        (0, "0 s"), (59, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (3_600, "1 h"), (86_399, "23 h 59 min"),
        (86_400, "1 day"), (90_061, "1 day 1 h"), (604_800, "7 days"), (86_460, "1 day"), (-5, "0 s"),
    ]) func durations(seconds: Int64, text: String) { #expect(Format.duration(seconds) == text) }

    @Test func times() throws {
        let time = try #require(Timestamp("2026-11-21T08:05:09Z"))
        #expect(Format.moment(time) == "21 Nov 2026, 08:05 UTC")
    }

    @Test(arguments: [
        ("a", "a"), ("", "''"), ("a b", "'a b'"), ("it's", #"'it'\''s'"#), ("$HOME", "'$HOME'"), ("a;b", "'a;b'"),
        ("https://h:1/a%20b", "https://h:1/a%20b"), ("*", "'*'"), ("~root", "'~root'"), ("#x", "'#x'"),
    ]) func shellWords(word: String, quoted: String) { #expect(Escaping.shell(word) == quoted) }

    /// What comes out of a real shell is what went in, and nothing of it runs.
    @Test(arguments: [
        "x'\u{301};touch pwned;'\u{301}", "'\u{301}", "a\r\ntouch pwned\r\n", "a\ntouch pwned\n", "$(touch pwned)",
        "`touch pwned`", "-rf", "~", "a\\", "!!", "\u{3}\ntouch pwned\n", "a\u{7}\u{1B}]0;x\u{7}", "\"\u{301}$HOME\"",
        "e\u{301} \u{E9}", "\u{202E}cod", "%s %d", "*", "&&touch pwned", "\u{85}", "", "{a,b}", "a=b",
    ])
    func shellWordsInARealShell(word: String) async throws {
        try await comesThrough(Array(word.utf8))
    }

    @Test func shellWordsThatAreNoText() async throws {
        try await comesThrough([0x61, 0xFF, 0xFE, 0x27, 0x3B, 0x69, 0x64, 0xC3])
        try await comesThrough([0xC3, 0x27, 0xCC, 0x81, 0x3B, 0x80, 0x0A, 0xED, 0xA0, 0x80])
    }

    private func comesThrough(_ word: [UInt8]) async throws {
        let home = try TemporaryDirectory("shell")
        for shell in ["sh", "bash"] {
            let line = "printf %s \(Escaping.shell(word)); test ! -e pwned"
            let result = try await command(shell, "-c", line, directory: home.path).succeeded()
            #expect(Array(result.outputBytes) == word, "\(shell): \(line)")
        }
        // What a terminal would take for a key is not in it.
        #expect(!Escaping.shell(word).utf8.contains { ($0 < 0x20 && $0 != 0x0A) || $0 == 0x7F })
    }

    @Test func partsAreBytes() {
        #expect("a\u{301}?b?\u{301}c".parts("?") == ["a\u{301}", "b", "\u{301}c"])
        #expect("?\u{301}".parts("?", most: 2) == ["", "\u{301}"])
        #expect(!"\u{E9}".isSame(as: "e\u{301}"))
        #expect(" Text/HTML\t".token == "text/html")
        #expect("a\u{301}\u{301}".bounded(3) == "a\u{301}")
    }

    @Test func urls() {
        #expect(Escaping.urlPath(Array("a b/ü#?%".utf8)) == "a%20b/%C3%BC%23%3F%25")
        #expect(Escaping.urlPath([0xFF, 0x41]) == "%FFA")
        #expect(Escaping.urlQuery("/a&b=c") == "%2Fa%26b%3Dc")
    }
}

@Suite struct FormTests {
    @Test func decodes() {
        let form = Form(urlEncoded: Array("a=1&b=x+y%20z&a=2&c&=e&d=%C3%BC".utf8))
        #expect(form?["a"] == "1")
        #expect(form?.all("a") == ["1", "2"])
        #expect(form?["b"] == "x y z")
        #expect(form?["c"] == "")
        #expect(form?["d"] == "ü")
        #expect(form?["e"] == nil)
        #expect(Form(urlEncoded: [])?.fields.isEmpty == true)
    }

    @Test(arguments: ["a=%", "a=%4", "a=%GG", "a=%FF", "%C3=1"])
    func refuses(text: String) { #expect(Form(urlEncoded: Array(text.utf8)) == nil) }

    @Test func boundsItsFields() {
        let fields = Array(repeating: "a=1", count: 2_049).joined(separator: "&")
        #expect(Form(urlEncoded: Array(fields.utf8)) == nil)
        #expect(Form(urlEncoded: Array(fields.dropLast(4).utf8)) != nil)
    }

    @Test func cookies() {
        let request = WebRequest(
            method: "GET", target: "/?a=1", headers: ["cookie": "x=1; __Host-ffs=abc; __Host-ffs=def; y"],
            source: Source(address: "-", network: "-", isLoopback: false), isSecure: true)
        #expect(request.cookie("__Host-ffs") == "abc")
        #expect(request.cookie("ffs") == nil)
        #expect(request.cookie("x") == "1")
        #expect(request.query["a"] == "1")
    }

    /// A separator that carries a combining mark is one all the same.
    @Test func separatorsAreBytes() {
        let request = WebRequest(
            method: "GET", target: "/accounts?\u{301}a=1&q=x",
            headers: ["cookie": "x=\u{301}1;\u{301} y=2; ffs=abc", "content-type": "application/json;\u{301}"],
            source: Source(address: "-", network: "-", isLoopback: false), isSecure: true)
        #expect(request.path == "/accounts")
        #expect(request.query["q"] == "x")
        #expect(request.cookie("ffs") == "abc")
        #expect(request.cookie("x") == "\u{301}1")
        #expect(request.mediaType == "application/json")
    }
}

@Suite struct RateLimiterTests {
    @Test func allowsTheRateAndRecovers() {
        let limiter = RateLimiter(perMinute: 6)
        for _ in 0..<6 { #expect(limiter.refuse("a", at: 100) == nil) }
        #expect(limiter.refuse("a", at: 100) == 10)
        #expect(limiter.refuse("b", at: 100) == nil)
        #expect(limiter.refuse("a", at: 109) == 1)
        #expect(limiter.refuse("a", at: 110) == nil)
        #expect(limiter.refuse("a", at: 110) == 10)
        // A clock that goes back gives nothing away.
        #expect(limiter.refuse("a", at: 50) != nil)
    }
}
