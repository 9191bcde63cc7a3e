import Events
import FFSModel
import Pipeline
import Testing
import Transparency

@testable import PipelineService

/// Batches become rows, each once.
@Suite struct LogIngestTests {
    @Test func recordsBecomeRowsAndLeaves() async throws {
        let harness = try await LogHarness()
        var host = TestProducer()
        let batch = host.batch([download(), download("zeta", order: 8)])
        #expect(try await harness.log.ingest(batch) == host.mark)
        let rows = try await harness.leaves { $0.type = "download.completed" }
        #expect(rows.count == 2)
        #expect(rows.allSatisfy { $0.flaw == nil })
        #expect(rows[0].columns.product == "tool" && rows[0].columns.host == "storage-1")
        #expect(rows[0].columns.order == 7 && rows[0].columns.from == 0 && rows[0].columns.to == 100)
        #expect(rows.map(\.columns.customer) == [1, 2])
        #expect(rows[1].person?.part.text(.customer) == "zeta")
        #expect(rows[1].person?.part.text(.peer) == "192.0.2.7:40213")
        // The leaves hold no name and no address.
        for row in rows {
            let record = String(decoding: row.body?.record ?? [], as: UTF8.self)
            #expect(!record.contains("acme") && !record.contains("zeta") && !record.contains("192.0.2.7"))
        }
        #expect(try await harness.leaves { $0.customer = Array("zeta".utf8) }.map(\.leaf) == [rows[1].leaf])
        #expect(try await harness.leaves { $0.trace = ID128(high: 1, low: 7) }.map(\.leaf) == [rows[0].leaf])
        #expect(try await harness.leaves { $0.host = "storage-2" }.isEmpty)
    }

    @Test func repeatsAddNothing() async throws {
        let harness = try await LogHarness()
        var host = TestProducer()
        let first = host.batch([download(order: 1), download(order: 2)])
        var longer = TestProducer()
        longer = host
        let second = longer.batch([download(order: 3)])
        _ = try await harness.log.ingest(first)
        let size = try await harness.head().size
        #expect(try await harness.log.ingest(first) == host.mark)
        #expect(try await harness.head().size == size)
        // A batch that begins before the mark and ends behind it.
        let whole = ProducerBatch(
            node: first.node, incarnation: first.incarnation, segment: first.segment, stream: first.stream,
            start: first.start, records: first.records + second.records, gaps: [], end: second.end, isSealedEnd: true)
        #expect(try await harness.log.ingest(whole) == longer.mark)
        #expect(try await harness.head().size == size + 1)
        // One that begins behind the mark waits for what lies between.
        var ahead = longer
        _ = ahead.batch([download(order: 4)])
        let later = ahead.batch([download(order: 5)])
        #expect(try await harness.log.ingest(later) == longer.mark)
        #expect(try await harness.head().size == size + 1)
        #expect(try await harness.deadLetters().isEmpty && harness.lines.text.isEmpty)
    }

    /// After a crash a host tells again what it cannot know to have told, under the same id, in another segment.
    @Test func anEventsIDComesOnce() async throws {
        let harness = try await LogHarness()
        let event = download()
        var (before, after) = (TestProducer(), TestProducer())
        _ = try await harness.log.ingest(before.batch([event]))
        let size = try await harness.head().size
        #expect(try await harness.log.ingest(after.batch([event, download(order: 9)])) == after.mark)
        #expect(try await harness.head().size == size + 1)
        #expect(try await harness.leaves { $0.event = event.id }.count == 1)
    }

    @Test func poisonIsBuriedAndTheRestGoesOn() async throws {
        let harness = try await LogHarness()
        var host = TestProducer()
        let batch = host.batch(records: [download().record, [9, 9, 9], download(order: 8).record], gap: 40)
        #expect(try await harness.log.ingest(batch) == host.mark)
        #expect(try await harness.leaves { $0.type = "download.completed" }.count == 2)
        let letters = try await harness.deadLetters()
        #expect(letters.map(\.bytes) == [[9, 9, 9]] && letters[0].reason.contains("format"))
        #expect(letters[0].offset == batch.records[1].offset && letters[0].producer.node == "storage-1")
        #expect(harness.lines.text.contains("1 records could not be read"))
        let gap = try #require(try await harness.leaves { $0.type = "journal.gap" }.first)
        #expect(gap.columns.to == batch.end && gap.columns.from == batch.end - 40)
    }

    @Test func unknownTypesAreRows() async throws {
        let harness = try await LogHarness()
        var host = TestProducer()
        var event = Event(try #require(EventType(rawValue: "moon.landed")), time: 3)
        event[EventField(rawValue: 250)] = [1, 2]
        _ = try await harness.log.ingest(host.batch([event]))
        let row = try #require(try await harness.leaves { $0.type = "moon.landed" }.first)
        #expect(row.flaw == nil)
        #expect(try LogRecord(bytes: row.body?.record ?? []).event == event)
    }

    /// A host, or whoever took it over, tells another story under numbers that were acknowledged.
    @Test func aDifferentRepeatIsAnAlarm() async throws {
        let harness = try await LogHarness()
        var host = TestProducer()
        let honest = host.batch([download(order: 1)])
        _ = try await harness.log.ingest(honest)
        let size = try await harness.head().size
        let other = ProducerBatch(
            node: honest.node, incarnation: honest.incarnation, segment: honest.segment, stream: honest.stream,
            start: honest.start,
            records: [.init(offset: honest.records[0].offset, bytes: download(order: 2).record)], gaps: [],
            end: honest.end, isSealedEnd: false)
        #expect(try await harness.log.ingest(other) == host.mark)
        #expect(try await harness.log.ingest(other) == host.mark)
        #expect(try await harness.head().size == size)
        #expect(try await harness.deadLetters().map(\.bytes) == [other.records[0].bytes])
        #expect(harness.lines.text.contains("repeats other records"))
    }

    @Test func marksOutliveARestart() async throws {
        let harness = try await LogHarness()
        var host = TestProducer()
        let first = host.batch([download()])
        _ = try await harness.log.ingest(first)
        let head = try await harness.head()
        try await harness.reopen()
        #expect(try await harness.log.mark(of: (first.node, first.incarnation, first.segment)) == host.mark)
        #expect(try await harness.head() == head)
        #expect(try await harness.log.ingest(host.batch([download(order: 2)], ended: true)) == host.mark)
        #expect(try await harness.log.ingest(first) == host.mark)
    }
}
