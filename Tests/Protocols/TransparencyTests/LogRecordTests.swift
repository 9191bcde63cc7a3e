import Events
import FFSModel
import Testing
import Transparency

@Suite struct LogRecordTests {
    private static func record() throws -> (LogRecord, PersonalPart) {
        var event = Event(
            .downloadCompleted, id: EventID(high: 1, low: 2), time: 0x0102_0304_0506_0708,
            fields: [.account: [0x61], .path: [0x2F], .from: [], .to: [0x09]])
        event.set(.customer, "acme")
        event.set(.peer, "::1")
        let part = PersonalPart(removingFrom: &event)
        let record = LogRecord(
            node: try NodeName("storage-1"), incarnation: ID128(high: 3, low: 4), segment: ID128(high: 5, low: 6),
            offset: 4_096, arrived: 7, customer: 8, personalDigest: part.digest(salt: [UInt8](repeating: 9, count: 16)),
            event: event)
        return (record, part)
    }

    /// ffs-pipeline(7) shows the same.
    @Test func goldenBytes() throws {
        let (record, part) = try Self.record()
        #expect(Hex.string(part.bytes) == "020461636d65" + "11033a3a31")
        // SHA-256 of sixteen nines and the part, by another implementation.
        let digest = "d6e7bba3f012236951bc42615c340575f9886844a14b887855ab03646a132915"
        let hex =
            "0109" + Hex.string(Array("storage-1".utf8)) + "00000000000000030000000000000004"
            + "00000000000000050000000000000006" + "0000000000001000" + "0000000000000007" + "0000000000000008" + digest
            + "0112" + Hex.string(Array("download.completed".utf8)) + "00000000000000010000000000000002"
            + "0102030405060708" + "070161" + "09012f" + "0b00" + "0c0109"
        #expect(Hex.string(record.bytes) == hex)
        #expect(try LogRecord(bytes: record.bytes) == record)
        #expect(part.text(.customer) == "acme" && part.text(.peer) == "::1" && part[.actor] == nil)
    }

    @Test func whatIsNoRecordIsRefused() throws {
        let bytes = try Self.record().0.bytes
        for length in 0..<bytes.count {
            if let read = try? LogRecord(bytes: Array(bytes.prefix(length))) {
                #expect(read.bytes == Array(bytes.prefix(length)), "\(length)")
            }
        }
        #expect(throws: EventError.format) { try LogRecord(bytes: [2] + bytes.dropFirst()) }
        // A record that still names somebody.
        let named = bytes + [0x11, 0x01, 0x61]
        #expect(throws: EventError.self) { try LogRecord(bytes: named) }
    }

    @Test func longPartsAndTornOnes() throws {
        var event = Event(.signIn, time: 1)
        event[.customer] = [UInt8](repeating: 0x61, count: 300)
        event.set(.outcome, "ok")
        let before = event
        let part = PersonalPart(removingFrom: &event)
        #expect(part[.customer] == before[.customer] && event[.customer] == nil)
        #expect(PersonalPart(bytes: Array(part.bytes.dropLast()))[.customer] == nil)
        #expect(PersonalPart(bytes: [2])[.customer] == nil && PersonalPart(bytes: [2, 0x81])[.customer] == nil)
        let nobody = PersonalPart(removingFrom: &event)
        #expect(nobody.bytes.isEmpty && nobody.digest(salt: [1]) == LogRecord.noPerson)
    }
}
