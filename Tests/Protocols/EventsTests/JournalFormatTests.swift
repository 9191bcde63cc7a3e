import Events
import FFSModel
import Testing

@Suite struct JournalFormatTests {
    private let header = JournalHeader(
        segment: ID128("00112233445566778899aabbccddeeff")!, incarnation: ID128("ffeeddccbbaa99887766554433221100")!,
        salt: 0x0102_0304, made: 1_795_564_800_000_000_123, stream: "ffsftpd-0", reserve: 0x10_1000, end: 0x14_1000)

    private func frames(_ records: [[UInt8]], at start: UInt64 = 4_096) -> [UInt8] {
        var out: [UInt8] = []
        for record in records {
            let index = out.count
            JournalFrame.append(record, salt: header.salt, to: &out)
            JournalFrame.place(start + UInt64(index), in: &out, at: index)
        }
        return out
    }

    private func scan(_ bytes: [UInt8], isSealed: Bool) -> [JournalScanner.Item] {
        var scanner = JournalScanner(salt: header.salt)
        return bytes.withUnsafeBytes { scanner.scan($0, isSealed: isSealed) }
    }

    @Test func checksumIsCastagnolis() {
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xE306_9283)
        #expect(CRC32C.checksum([]) == 0)
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
    }

    @Test func goldenHeader() throws {
        let hex =
            "4646534a524e4c31" + "00112233445566778899aabbccddeeff" + "ffeeddccbbaa99887766554433221100" + "01020304"
            + "18eb20ac1b32007b" + "0000000000101000" + "0000000000141000" + "09" + "666673667470642d30"
        let bytes = header.bytes
        #expect(bytes.count == 4_096)
        #expect(Hex.string(Array(bytes[..<78])) == hex)
        #expect(Hex.string(Array(bytes[78..<82])) == "3442e2a9")
        #expect(bytes[82...].allSatisfy { $0 == 0 })
        #expect(JournalHeader(bytes: bytes) == header)
        for place in 0..<82 {
            var damaged = bytes
            damaged[place] ^= 1
            #expect(JournalHeader(bytes: damaged) == nil, "byte \(place)")
        }
    }

    @Test func goldenFrame() {
        #expect(Hex.string(frames([Array("hello".utf8)])) == "4784093b0000000568656c6c6f000000")
    }

    @Test func recordsComeBackWithTheirPlaces() {
        let items = scan(frames([[1], [2, 2], [UInt8](repeating: 3, count: 16_384)]), isSealed: false)
        #expect(items.count == 3)
        #expect(items[0] == .record(offset: 4_096, bytes: [1]))
        #expect(items[1] == .record(offset: 4_112, bytes: [2, 2]))
        #expect(items[2] == .record(offset: 4_128, bytes: [UInt8](repeating: 3, count: 16_384)))
    }

    /// A frame of another segment, or of another place, is none.
    @Test func placeAndSaltBelongToAFrame() {
        let moved = frames([[1, 2, 3]], at: 8_192)
        #expect(scan(moved, isSealed: true) == [.gap(4_096..<4_112)])
        var other = JournalScanner(salt: header.salt &+ 1)
        let items = frames([[1, 2, 3]]).withUnsafeBytes { other.scan($0, isSealed: true) }
        #expect(items == [.gap(4_096..<4_112)])
    }

    /// Whatever byte is damaged, the records before and behind are read, and the one it belongs to is a gap.
    @Test func damageCostsOneRecord() {
        let records: [[UInt8]] = [[1, 1, 1], [2, 2, 2, 2, 2, 2, 2, 2, 2], [3]]
        let good = frames(records)
        // The second frame without its padding, which no checksum covers.
        for place in 16..<33 {
            var bytes = good
            bytes[place] ^= 0x40
            for sealed in [false, true] {
                #expect(
                    scan(bytes, isSealed: sealed) == [
                        .record(offset: 4_096, bytes: records[0]), .gap(4_112..<4_136),
                        .record(offset: 4_136, bytes: records[2]),
                    ], "byte \(place)")
            }
        }
    }

    /// The tail is judged when the segment is sealed, not before.
    @Test func tornTailWaitsForTheSeal() {
        let bytes = frames([[1], [UInt8](repeating: 2, count: 100)])
        for length in 17..<bytes.count - 4 {
            let torn = Array(bytes[..<length])
            #expect(scan(torn, isSealed: false) == [.record(offset: 4_096, bytes: [1])], "\(length)")
            #expect(
                scan(torn, isSealed: true)
                    == [.record(offset: 4_096, bytes: [1]), .gap(4_112..<4_096 + UInt64(length))], "\(length)")
        }
    }

    /// The same items come out however the bytes arrive.
    @Test func piecewiseReadingIsTheSame() {
        var generator = SystemRandomNumberGenerator()
        let seed = UInt64.random(in: 0 ... .max, using: &generator)
        var random = SplitMix(seed: seed)
        for _ in 0..<50 {
            let records = (0..<20).map { _ in
                (0...Int.random(in: 0..<300, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
            }
            var bytes = frames(records)
            for _ in 0..<Int.random(in: 0..<4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] ^= 0x11
            }
            let whole = scan(bytes, isSealed: true)
            var scanner = JournalScanner(salt: header.salt)
            var items: [JournalScanner.Item] = []
            var seen = 0
            while seen < bytes.count {
                seen = min(bytes.count, seen + Int.random(in: 1..<400, using: &random))
                let from = Int(scanner.offset) - 4_096
                if seen > from {
                    items += bytes[from..<seen].withUnsafeBytes { scanner.scan($0, isSealed: seen == bytes.count) }
                }
            }
            #expect(items == whole, "seed \(seed)")
        }
    }

    private struct SplitMix: RandomNumberGenerator {
        var state: UInt64
        init(seed: UInt64) { state = seed }
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var word = state
            word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
            word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
            return word ^ word >> 31
        }
    }
}
