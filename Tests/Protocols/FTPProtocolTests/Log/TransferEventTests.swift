import FFSModel
import FTPProtocol
import Testing

@Suite struct TransferEventTests {
    private func event() throws -> TransferEvent {
        TransferEvent(
            finished: Timestamp(seconds: 1_795_000_000), nanoseconds: 2_900_000_000, service: .ftp, session: "0-7",
            peer: Endpoint(try #require(IPAddress(text: "192.0.2.1".utf8)), 4_711), account: "abcdefghij234567",
            path: Array("/a b\n.iso".utf8), offset: 100, bytes: 12, isComplete: true)
    }

    private func fields(_ event: TransferEvent) -> [String] {
        var all: [String] = []
        event.forEachField { all.append("\($0)=\($1)") }
        return all
    }

    @Test func transferLogLine() throws {
        let line = String(decoding: try event().xferlogLine, as: UTF8.self)
        #expect(line == "Wed Nov 18 11:06:40 2026 3 192.0.2.1 12 /a_b_.iso b _ o r abcdefghij234567 ftp 0 * c\n")
    }

    @Test func whatIsShortIsOneSecondAndMaybeIncomplete() throws {
        var event = try event()
        event.nanoseconds = 1
        event.isComplete = false
        event.isASCII = true
        event.service = .https
        event.account = "a b"
        let line = String(decoding: event.xferlogLine, as: UTF8.self)
        #expect(line.hasSuffix(" 2026 1 192.0.2.1 12 /a_b_.iso a _ o r a_b https 0 * i\n"))
    }

    @Test func fieldsComeInTheOrderOfTheirNames() throws {
        #expect(
            fields(try event()) == [
                "account=abcdefghij234567", "bytes=12", "complete=true", "milliseconds=2900", "offset=100",
                "path=/a b\\x0a.iso", "peer=192.0.2.1:4711", "service=ftp", "session=0-7",
            ])
        var whole = try event()
        whole.end = "aborted"
        whole.isDeflated = true
        whole.tls = .init(protection: "TLSv1.3 X", isResumed: true)
        whole.digest = ContentDigest(words: (0, 0, 0, 1))
        let names = fields(whole).map { String($0.prefix { $0 != "=" }) }
        #expect(names == names.sorted() && names.count == 14)
        #expect(fields(whole).contains("sha256=\(String(repeating: "0", count: 63))1"))
        #expect(fields(whole).contains("reused=true") && fields(whole).contains("mode=Z"))
    }

    /// An account that is none, as when a customer's own name was refused meanwhile, has no field.
    @Test func whatIsNotKnownIsLeftOut() throws {
        var event = try event()
        event.account = ""
        #expect(fields(event).first == "bytes=12")
    }
}
