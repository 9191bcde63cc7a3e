import FFSModel
import FTPProtocol
import Testing

@Suite struct ReplyTests {
    @Test func innerLinesNeverLookLikeTheLast() {
        let reply = Reply(211, "Names:", inner: [bytes("211 End"), bytes("x")], last: "End")
        #expect(text(reply.encoded) == "211-Names:\r\n 211 End\r\n x\r\n211 End\r\n")
    }

    @Test func controlCharactersCannotForgeLines() {
        #expect(
            text(Reply(257, bytes: bytes("\"/a\r\n230 Signed in.\u{1B}[2J\"")).encoded)
                == "257 \"/a??230 Signed in.?[2J\"\r\n")
    }

    @Test func linesStayBelowWhatWinSCPReads() {
        let long = [UInt8](repeating: UInt8(ascii: "x"), count: 4_000)
        #expect(Reply(250, bytes: long).encoded.count < 2_000)
    }

    /// WinSCP gives UTF-8 up for the whole session after one reply that is none.
    @Test func linesAreNeverCutInsideACharacter() {
        for shift in 0..<4 {
            let name = String(repeating: "x", count: shift) + String(repeating: "ü€😀", count: 400)
            let encoded = Reply(250, name).encoded
            #expect((1_890..<2_000).contains(encoded.count))
            #expect(String(validating: encoded, as: UTF8.self) != nil, "\(shift)")
        }
        // What is no UTF-8 is cut where it is.
        #expect(Reply(250, bytes: [UInt8](repeating: 0x80, count: 4_000)).encoded.count == 1_906)
    }
}
