import FFSModel
import FTPProtocol
import Testing

@Suite struct LineFramerTests {
    private func lines(_ input: [UInt8], inPiecesOf size: Int = .max) throws(CommandFramer.Fault) -> [String] {
        var framer = CommandFramer()
        var lines: [String] = []
        var start = 0
        while start < input.count {
            let end = min(input.count, start + min(size, input.count))
            framer.append(Array(input[start..<end]))
            while let line = try framer.next() { lines.append(text(line)) }
            start = end
        }
        return lines
    }

    @Test(arguments: [1, 2, 3, 1_000]) func cutsLinesWhateverThePieces(size: Int) throws {
        #expect(try lines(bytes("USER a\r\nPASS  b \r\n\r\nNO"), inPiecesOf: size) == ["USER a", "PASS  b ", ""])
    }

    @Test(arguments: [
        ("NOOP\nNOOP\r\n", CommandFramer.Fault.bareLineFeed), ("NOOP\rNOOP\r\n", .bareCarriageReturn),
        ("NOOP\r\r\n", .bareCarriageReturn), ("NO\0OP\r\n", .nul),
    ])
    func refusesWhatOthersMightCutDifferently(input: String, fault: CommandFramer.Fault) {
        #expect(throws: fault) { try lines(bytes(input)) }
    }

    @Test func anOverlongLineHidesNoCommand() {
        let flood = [UInt8](repeating: UInt8(ascii: "A"), count: CommandFramer.longestLine + 1)
        #expect(throws: CommandFramer.Fault.tooLong) { try lines(flood + bytes("\r\nDELE x\r\n")) }
        var framer = CommandFramer()
        framer.append(flood)
        #expect(throws: CommandFramer.Fault.tooLong) { try framer.next() }
        framer.append(bytes("\r\nDELE x\r\n"))
        #expect(throws: CommandFramer.Fault.tooLong) { try framer.next() }
    }

    @Test func theLongestLinePasses() throws {
        let line = String(repeating: "A", count: CommandFramer.longestLine)
        #expect(try lines(bytes(line + "\r\n")) == [line])
    }

    @Test func telnetSynchInFrontOfAborIsDropped() throws {
        #expect(try lines([0xFF, 0xF4, 0xFF, 0xF2] + bytes("ABOR\r\n"), inPiecesOf: 1) == ["ABOR"])
        #expect(try lines([0xFF, 0xFD, 0x03] + bytes("NOOP\r\n")) == ["NOOP"])
    }

    @Test func doubledIACIsTheByteItself() throws {
        var framer = CommandFramer()
        framer.append(bytes("CWD ") + [0xFF, 0xFF] + bytes("\r\n"))
        #expect(try framer.next() == bytes("CWD ") + [0xFF])
    }

    /// Windows-1251 has "я" there.
    @Test(arguments: [1, 1_000]) func aSingleFFInAnArgumentIsTheByteItself(size: Int) throws {
        for (sent, got) in [
            ([0xFF, 0x2E, 0x74], [0xFF, 0x2E, 0x74]), ([0xFF], [0xFF]), ([0xFF, 0xF1], [0xFF, 0xF1]),
            ([0xFF, 0xFB, 0x01], [0xFF, 0xFB, 0x01]), ([0xFF, 0xFF, 0xFF], [0xFF, 0xFF]),
        ] as [([UInt8], [UInt8])] {
            var framer = CommandFramer()
            var line: [UInt8]?
            for byte in bytes("RETR ") + sent + bytes("\r\n") {
                framer.append([byte])
                if let whole = try framer.next() { line = whole }
            }
            #expect(line == bytes("RETR ") + got, "\(sent)")
        }
        #expect(throws: CommandFramer.Fault.nul) { try lines(bytes("RETR ") + [0xFF, 0], inPiecesOf: size) }
        #expect(throws: CommandFramer.Fault.bareLineFeed) {
            try lines(bytes("RETR ") + [0xFF, 0x0A], inPiecesOf: size)
        }
    }

    @Test func aFloodOfTelnetCommandsIsAFault() {
        let flood = [[UInt8]](repeating: [0xFF, 0xF1], count: 64).flatMap { $0 }
        #expect(throws: CommandFramer.Fault.telnet) { try lines(flood + bytes("NOOP\r\n")) }
        #expect(throws: CommandFramer.Fault.telnet) { try lines([0xFF, 0x20]) }
    }

    @Test func knowsWhatIsBuffered() throws {
        var framer = CommandFramer()
        framer.append(bytes("AUTH TLS\r\nUSER x"))
        _ = try framer.next()
        #expect(framer.hasBufferedBytes)
        framer.reset()
        framer.append(bytes("AUTH TLS\r\n"))
        _ = try framer.next()
        #expect(!framer.hasBufferedBytes)
    }
}
