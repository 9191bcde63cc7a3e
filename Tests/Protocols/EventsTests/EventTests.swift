import Events
import FFSModel
import Testing

@Suite struct EventTests {
    private let sample: Event = {
        var event = Event(
            .downloadCompleted, id: EventID("00112233445566778899aabbccddeeff")!, time: 1_795_564_800_000_000_123)
        event.set(.trace, TraceID("ffeeddccbbaa99887766554433221100")!)
        event.set(.customer, "acme")
        event.set(.account, "k5zq")
        event[.path] = [0x2F, 0xFF]
        event.set(.from, 0)
        event.set(.to, 256)
        return event
    }()

    @Test func goldenBytes() throws {
        let hex =
            "0112" + Hex.string(Array("download.completed".utf8)) + "00112233445566778899aabbccddeeff"
            + "18eb20ac1b32007b" + "0110ffeeddccbbaa99887766554433221100" + "020461636d65" + "07046b357a71" + "09022fff"
            + "0b00" + "0c020100"
        #expect(Hex.string(sample.record) == hex)
        #expect(try Event(record: sample.record) == sample)
        #expect(sample.integer(.from) == 0 && sample.integer(.to) == 256 && sample.trace?.bytes.first == 0xFF)
    }

    @Test func unknownTypesAndFieldsAreCarried() throws {
        var event = Event(try #require(EventType(rawValue: "moon.landed")), time: -1)
        event[EventField(rawValue: 250)] = [UInt8](repeating: 7, count: 300)
        let again = try Event(record: event.record)
        #expect(again == event && again.record == event.record && !again.type.isKnown)
    }

    @Test func whatIsNoRecordIsPoison() {
        let record = sample.record
        for length in 0..<record.count where length != 0 {
            let cut = record.prefix(length)
            if let event = try? Event(record: cut) { #expect(event.record.elementsEqual(cut), "\(length)") }
        }
        #expect(throws: EventError.format) { try Event(record: [2] + record.dropFirst()) }
        #expect(throws: EventError.order) { try Event(record: record + [0x0C, 0]) }
        #expect(throws: EventError.length) { try Event(record: record + [0x0D, 0x80, 1, 9]) }
        #expect(throws: EventError.truncated) { try Event(record: record + [0x0D, 5]) }
        #expect(throws: EventError.missing(.to)) { try Event(record: record.dropLast(4)) }
        #expect(throws: EventError.tooLong) { try Event(record: record + [UInt8](repeating: 0, count: Event.longest)) }
    }

    @Test func longFieldsAreCutToARecord() throws {
        var event = sample
        event[.reason] = [UInt8](repeating: 65, count: 40_000)
        #expect(event.record.count <= Event.longest)
        #expect(try Event(record: event.record).integer(.to) == 256)
    }

    @Test func typesAreNames() {
        for bad in ["", "A", "a b", "a\u{301}", String(repeating: "a", count: 41)] {
            #expect(EventType(rawValue: bad) == nil)
        }
        for (type, row) in EventType.rows { #expect(row.required.isDisjoint(with: row.optional), "\(type)") }
    }
}
