import FFSModel
import FTPProtocol
import Testing

@Suite struct CommandTests {
    private func command(_ line: String) throws -> Command { try Command(line: bytes(line)) }

    @Test func exactlyOneBlankSeparates() throws {
        #expect(try command("retr  a ") == .retr(bytes(" a ")))
        #expect(try command("xPwD") == .pwd)
        #expect(try command("PASS") == .pass([]))
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
        #expect(try command("REST 9223372036854775806") == .rest(UInt64(Int64.max) - 1))
        #expect(try command("RANG 0 9") == .rang(FileRange(first: 0, last: 9)))
    }

    @Test func optionsOfListAreNeverPaths() throws {
        func list(_ path: String?, isRecursive: Bool = false) -> ListArgument {
            var argument = ListArgument()
            argument.path = path.map(bytes)
            argument.isRecursive = isRecursive
            return argument
        }
        #expect(try command("LIST -a") == .list(list(nil)))
        #expect(try command("LIST -la sub dir") == .list(list("sub dir")))
        #expect(try command("NLST -R -l x") == .nlst(list("x", isRecursive: true)))
        #expect(try command("LIST -- -x") == .list(list("-x")))
        #expect(try command("LIST a -l") == .list(list("a -l")))
        #expect(try command("STAT") == .stat(nil))
        #expect(try command("STAT -la") == .stat(list(nil)))
    }

    @Test func digestRanges() throws {
        #expect(
            try command("XCRC a b 1 20")
                == .digest(.crc32, DigestArgument(path: bytes("a b"), whole: bytes("a b 1 20"), start: 1, end: 20)))
        #expect(
            try command("XSHA a") == .digest(.sha1, DigestArgument(path: bytes("a"), whole: bytes("a"))))
        #expect(
            try command(#"XMD5 "a 1" 5"#)
                == .digest(.md5, DigestArgument(path: bytes("a 1"), whole: bytes(#""a 1" 5"#), start: 5)))
    }

    @Test func extendedPassive() throws {
        #expect(try command("EPSV") == .epsv(.same))
        #expect(try command("EPSV all") == .epsv(.all))
        #expect(try command("EPSV 2") == .epsv(.family(.v6)))
        #expect(throws: Command.Refusal.argument(.epsv, .networkProtocol)) { try command("EPSV 3") }
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
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SeededGenerator(seed)
        let verbs = Verb.allCases.map(\.rawValue)
        for round in 0..<20_000 {
            let tail = (0..<Int.random(in: 0..<24, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            let line = bytes(verbs.randomElement(using: &generator) ?? "") + [UInt8(ascii: " ")] + tail
            // What crashes takes the process with it, so the seed is said before.
            if round == 0 { print("nothingParsesIntoACrash: seed \(seed)") }
            _ = try? Command(line: line)
        }
    }
}

/// SplitMix64: the same numbers for the same seed.
private struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}
