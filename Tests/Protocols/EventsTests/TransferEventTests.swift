import Events
import FFSModel
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

    // MARK: Record

    private let id = EventID("00112233445566778899aabbccddeeff")!

    @Test func recordIsAnEvent() throws {
        var transfer = try event()
        transfer.size = 112
        transfer.tls = .init(protection: "TLSv1.3 X", isResumed: true)
        transfer.digest = ContentDigest(words: (0, 0, 0, 1))
        let subject = EventSubject(
            customer: Array("acme".utf8), account: Array("abcdefghij234567".utf8), trace: TraceID(high: 1, low: 2),
            retailer: Array("shop".utf8), product: Array("p".utf8), version: Array("1".utf8),
            content: ContentDigest(words: (1, 0, 0, 0)), order: 17, level: 3)
        let record = transfer.record(.downloadCompleted, id: id, time: 5, of: subject, isMetered: true)
        let event = try Event(record: record)
        #expect(event.type == .downloadCompleted && event.id == id && event.time == 5 && event.record == record)
        #expect(event.integer(.from) == 100 && event.integer(.to) == 112 && event.integer(.size) == 112)
        #expect(event[.path] == transfer.path && event.digest(.digest) == transfer.digest)
        #expect(event.integer(.order) == 17 && event.text(.product) == "p" && event.integer(.level) == 3)
        #expect(event.trace == subject.trace && event.text(.customer) == "acme" && event.text(.retailer) == "shop")
        #expect(event.text(.flags) == "metered resumed" && event.text(.tls) == "TLSv1.3 X")
        #expect(event.text(.peer) == "192.0.2.1:4711" && event.text(.service) == "ftp" && event.text(.session) == "0-7")
        #expect(event.integer(.duration) == 2_900_000_000 && event[.bytes] == nil && event[.reason] == nil)
        let row = try #require(EventType.rows[.downloadCompleted])
        #expect(Set(event.fields.keys).isSubset(of: row.required.union(row.optional).union(EventType.always)))
    }

    /// Bytes on the wire are not those of the file: the range is the file's all the same.
    @Test func recordOfTranslatedBytesTellsBoth() throws {
        var transfer = try event()
        (transfer.isASCII, transfer.isDeflated, transfer.to, transfer.end) = (true, true, 300, "aborted")
        let record = transfer.record(
            .downloadAborted, id: id, time: 5, of: EventSubject(customer: [], account: Array("a".utf8)))
        let event = try Event(record: record)
        #expect(event.integer(.from) == 100 && event.integer(.to) == 300 && event.integer(.bytes) == 12)
        #expect(event.text(.flags) == "ascii deflated" && event.text(.reason) == "aborted")
        #expect(event.record == record)
    }

    @Test(arguments: [0, 1, 255, 256, UInt64.max]) func numbersAreShortest(number: UInt64) throws {
        var encoder = EventEncoder(.journalLoss, id: id, time: 0)
        encoder.append(.count, number)
        let event = try Event(record: encoder.bytes)
        #expect(event.integer(.count) == number && event.record == encoder.bytes)
    }
}
