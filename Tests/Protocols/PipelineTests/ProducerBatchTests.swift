import Events
import FFSModel
import Pipeline
import Testing

@Suite struct ProducerBatchTests {
    private func batch(
        _ records: [(UInt64, [UInt8])], from start: ProducerMark = .start, gaps: [Range<UInt64>] = [],
        end: UInt64? = nil
    ) -> ProducerBatch {
        let last = records.last.map { $0.0 + UInt64(JournalFrame.length($0.1.count)) } ?? start.offset
        return ProducerBatch(
            node: NodeName(validated: "storage1"), incarnation: .random(), segment: .random(), stream: "ffsstaged",
            start: start,
            records: records.map { ProducerBatch.Record(offset: $0.0, bytes: $0.1) }, gaps: gaps,
            end: end ?? max(last, gaps.last?.upperBound ?? 0), isSealedEnd: false)
    }

    @Test func repeatsAreSkippedUpToTheMark() throws {
        let first = batch([(4_096, [1]), (4_112, [2])])
        guard case .new(let items, let mark) = first.beyond(.start) else {
            Issue.record("not new")
            return
        }
        #expect(items.count == 2 && mark.offset == 4_128 && mark.hash == first.hash)
        #expect(first.beyond(mark) == .known)
        let longer = batch([(4_096, [1]), (4_112, [2])], gaps: [4_128..<4_200])
        guard case .new(let more, let further) = longer.beyond(mark) else {
            Issue.record("not new")
            return
        }
        #expect(more == [.gap(4_128..<4_200)] && further.offset == 4_200)
        #expect(batch([(4_128, [3])], from: mark).beyond(.start) == .ahead)
    }

    @Test func whatDiffersIsSeen() {
        let first = batch([(4_096, [1]), (4_112, [2])])
        let mark = ProducerMark(offset: 4_128, hash: first.hash)
        #expect(batch([(4_096, [9]), (4_112, [2]), (4_128, [3])]).beyond(mark) == .differs)
        #expect(batch([(4_096, [9]), (4_112, [2])]).beyond(mark) == .differs)
        let other = ProducerMark(offset: 4_128, hash: RunningHash())
        #expect(batch([(4_128, [3])], from: other).beyond(mark) == .differs)
        #expect(batch([(4_096, [1])], end: 5_000).beyond(.start) == .differs)
        #expect(batch([(4_112, [1]), (4_096, [1])]).beyond(.start) == .differs)
    }
}
