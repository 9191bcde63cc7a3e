import FTPProtocol
import Testing

@Suite struct CommandTests {
    private func argument(_ line: String) throws -> Argument { try Command(line: bytes(line)).argument }

    @Test func exactlyOneBlankSeparates() throws {
        #expect(try Command(line: bytes("retr  a ")).path == bytes(" a "))
        #expect(try Command(line: bytes("xPwD")).verb == .pwd)
        #expect(try Command(line: bytes("PASS")).text.isEmpty)
    }

    @Test(arguments: [
        "REST -1", "REST +5", "REST 9223372036854775807", "REST 9223372036854775808", "REST 18446744073709551616",
        "REST ", "REST 1x",
    ])
    func offsetsAreDecimalAndFitAFile(line: String) {
        #expect(throws: Command.Refusal.argument(.rest, .syntax)) { try Command(line: bytes(line)) }
    }

    @Test(arguments: ["RANG -1 2", "RANG 1", "RANG 1  2", "RANG 1 9223372036854775807", "RANG 1 2 3"])
    func rangesToo(line: String) {
        #expect(throws: Command.Refusal.argument(.rang, .syntax)) { try Command(line: bytes(line)) }
    }

    @Test func theLargestOffset() throws {
        #expect(try argument("REST 9223372036854775806") == .number(UInt64(Int64.max) - 1))
    }

    @Test func optionsOfListAreNeverPaths() throws {
        var all = ListOptions()
        all.all = true
        #expect(try argument("LIST -a") == .listing(all, path: nil))
        #expect(try argument("LIST -la sub dir") == .listing(all, path: bytes("sub dir")))
        var recursive = ListOptions()
        recursive.recursive = true
        #expect(try argument("NLST -R -l x") == .listing(recursive, path: bytes("x")))
        #expect(try argument("LIST -- -x") == .listing(ListOptions(), path: bytes("-x")))
        #expect(try argument("LIST a -l") == .listing(ListOptions(), path: bytes("a -l")))
    }

    @Test func digestRanges() throws {
        #expect(
            try argument("XCRC a b 1 20")
                == .digestRange(path: bytes("a b"), whole: bytes("a b 1 20"), start: 1, end: 20))
        #expect(try argument("XCRC a") == .digestRange(path: bytes("a"), whole: bytes("a"), start: nil, end: nil))
        #expect(
            try argument(#"XMD5 "a 1" 5"#)
                == .digestRange(path: bytes("a 1"), whole: bytes(#""a 1" 5"#), start: 5, end: nil))
    }

    @Test func extendedPassive() throws {
        #expect(try argument("EPSV") == .extendedPassive(.same))
        #expect(try argument("EPSV all") == .extendedPassive(.all))
        #expect(try argument("EPSV 2") == .extendedPassive(.family(.v6)))
        #expect(throws: Command.Refusal.argument(.epsv, .networkProtocol)) { try Command(line: bytes("EPSV 3")) }
    }

    @Test func otherProtocolsAreKnown() {
        #expect(throws: Command.Refusal.otherProtocol("GET")) { try Command(line: bytes("GET / HTTP/1.1")) }
        #expect(throws: Command.Refusal.unknown("FOO?")) { try Command(line: bytes("FOO\u{7} x")) }
        #expect(throws: Command.Refusal.unknown("")) { try Command(line: []) }
    }

    @Test func everyVerbHasARowAndIsFoundInAnyCase() throws {
        for verb in Verb.allCases {
            #expect(CommandTable.row(verb).verb == verb)
            #expect(Verb(word: bytes(verb.rawValue.lowercased())[...]) == verb)
        }
        #expect(CommandTable.rows.count == Verb.allCases.count)
        #expect(Verb(word: bytes("LISTLISTL")[...]) == nil)
    }

    @Test func nothingParsesIntoACrash() {
        var generator = SystemRandomNumberGenerator()
        let verbs = Verb.allCases.map(\.rawValue)
        for _ in 0..<20_000 {
            let tail = (0..<Int.random(in: 0..<24, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            let line = bytes(verbs.randomElement(using: &generator) ?? "") + [UInt8(ascii: " ")] + tail
            _ = try? Command(line: line)
        }
    }
}
