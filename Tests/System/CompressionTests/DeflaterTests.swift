import CZlib
import Compression
import Testing

@Suite struct DeflaterTests {
    private func deflated(_ bytes: [UInt8], pieces: Int, level: Int) throws -> [UInt8] {
        let deflater = try #require(Deflater(level: level))
        var out: [UInt8] = []
        bytes.withUnsafeBytes { bytes in
            for start in stride(from: 0, to: bytes.count, by: pieces) {
                let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<min(bytes.count, start + pieces)])
                deflater.append(piece, isLast: false, to: &out)
            }
            deflater.append(UnsafeRawBufferPointer(start: nil, count: 0), isLast: true, to: &out)
        }
        return out
    }

    private func inflated(_ bytes: [UInt8], to size: Int) -> [UInt8]? {
        var length = UInt(size + 1)
        var out = [UInt8](repeating: 0, count: size + 1)
        guard uncompress(&out, &length, bytes, UInt(bytes.count)) == Z_OK else { return nil }
        return Array(out.prefix(Int(length)))
    }

    @Test(arguments: Deflater.levels, [1, 1_000, 1 << 20]) func whatGoesInComesOut(level: Int, pieces: Int) throws {
        var state: UInt64 = 7
        let noise = (0..<40_000).map { _ -> UInt8 in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
        for bytes in [[], [1], noise, [UInt8](repeating: 65, count: 300_000)] where bytes.count < 50_000 || pieces > 1 {
            let stream = try deflated(bytes, pieces: pieces, level: level)
            #expect(inflated(stream, to: bytes.count) == bytes)
            #expect(stream.count < bytes.count + 200)
        }
    }

    @Test func aLevelThatIsNone() { #expect(Deflater(level: 77) == nil) }
}
