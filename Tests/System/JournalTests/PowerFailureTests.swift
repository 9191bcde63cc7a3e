import Events
import FFSModel
import Journal
import SystemSupport
import TestSupport
import Testing

/// What a power failure may leave of a segment: everything through the last sync that answered, and of what was written
/// later any pages, old, new or torn, and any size.
@Suite struct PowerFailureTests {
    private struct SplitMix: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var word = state
            word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
            word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
            return word ^ word >> 31
        }
    }

    @Test func whatASyncAnsweredForIsNeverLost() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SplitMix(state: seed)
        for round in 0..<40 {
            let area = try TemporaryDirectory("power")
            let settings = JournalSettings(segmentSize: 256 * 1_024, reserve: 64 * 1_024)
            let stream = try JournalStream(directory: area.path, stream: "test", settings: settings)
            var written: [UInt64: [UInt8]] = [:]
            let (segment, synced) = try write(to: stream, in: area, &written, &random)
            // The next start.
            _ = try JournalStream(directory: area.path, stream: "test", settings: settings)
            let found = try Self.records(area("test/\(segment).sealed"))
            for (offset, bytes) in synced { #expect(found[offset] == bytes, "seed \(seed), round \(round)") }
            for (offset, bytes) in found { #expect(written[offset] == bytes, "seed \(seed), round \(round)") }
        }
    }

    /// Writes a segment, syncs in the middle, and lets the power fail: the writer is gone when this returns.
    private func write(
        to stream: JournalStream, in area: TemporaryDirectory, _ written: inout [UInt64: [UInt8]],
        _ random: inout SplitMix
    ) throws -> (segment: ID128, synced: [UInt64: [UInt8]]) {
        let writer = try JournalWriter(segment: stream.create())
        let path = area("test/\(writer.segment).open")
        for _ in 0..<Int.random(in: 1...40, using: &random) { try append(&written, writer, &random) }
        let last = try append(&written, writer, &random)
        try writer.sync(through: last)
        let synced = written
        let durable = try Files.bytes(path)
        for _ in 0..<Int.random(in: 0...60, using: &random) { try append(&written, writer, &random) }
        try Files.write(Self.failed(durable, try Files.bytes(path), &random), to: path)
        return (writer.segment, synced)
    }

    @discardableResult
    private func append(
        _ written: inout [UInt64: [UInt8]], _ writer: JournalWriter, _ random: inout SplitMix
    ) throws -> RecordNumber {
        let record = (0..<Int.random(in: 1...900, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random)
        }
        let number = try writer.append(record)
        written[number.offset] = record
        return number
    }

    /// The file after the failure: pages behind what was durable are as they were, as they became, or zeros.
    private static func failed(_ durable: [UInt8], _ whole: [UInt8], _ random: inout SplitMix) -> [UInt8] {
        let size = Int.random(in: durable.count...whole.count, using: &random)
        var bytes = durable + [UInt8](repeating: 0, count: size - durable.count)
        for page in stride(from: durable.count / 512 * 512, to: size, by: 512) {
            let range = max(page, durable.count)..<min(page + 512, size)
            if Bool.random(using: &random) { bytes.replaceSubrange(range, with: whole[range]) }
            // A page whose write was under way: what was durable in it stays, the rest may be anything.
            if Int.random(in: 0..<8, using: &random) == 0 {
                for place in range { bytes[place] = UInt8.random(in: 0...255, using: &random) }
            }
        }
        return bytes
    }

    private static func records(_ path: String) throws -> [UInt64: [UInt8]] {
        guard var reader = try SegmentReader(Descriptor.open(CPath(path), .read)) else { return [:] }
        var found: [UInt64: [UInt8]] = [:]
        while true {
            let items = try reader.next(limit: 100, byteLimit: 100_000, isSealed: true)
            if items.isEmpty { return found }
            for case .record(let offset, let bytes) in items { found[offset] = bytes }
        }
    }
}
