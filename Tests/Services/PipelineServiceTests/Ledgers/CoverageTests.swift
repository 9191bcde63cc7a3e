import Testing

@testable import PipelineService

@Suite struct CoverageTests {
    @Test func rangesInAnyOrderGiveTheirUnion() {
        var generator = Seeded(state: 0x5EED)
        for _ in 0..<300 {
            var coverage = Coverage()
            var bytes: Set<UInt64> = []
            for _ in 0..<generator.next() % 20 {
                let from = generator.next() % 60
                let to = from + generator.next() % 12
                coverage.insert(from..<to)
                bytes.formUnion(from..<to)
            }
            #expect(coverage.count == UInt64(bytes.count))
            #expect(coverage.ranges.allSatisfy { $0.allSatisfy(bytes.contains) })
            #expect(zip(coverage.ranges, coverage.ranges.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound })
            #expect(Coverage(bytes: coverage.bytes) == coverage)
        }
        #expect(Coverage(bytes: [1]) == nil && Coverage(bytes: [UInt8](repeating: 0, count: 16)) == nil)
    }

    @Test func countlessPiecesAreBounded() {
        var coverage = Coverage()
        for place in UInt64(0)..<10_000 { coverage.insert(3 * place..<3 * place + 1) }
        #expect(coverage.ranges.count == Coverage.most)
    }

    private struct Seeded {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }
    }
}
