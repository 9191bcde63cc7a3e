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
}
