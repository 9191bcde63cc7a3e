import Events
import FFSModel
import Journal
import Logging
import Metrics
import Pipeline
import Requests
import Synchronization
import SystemSupport

/// Forwards one journal: its segments in order, one batch at a time, each acknowledged before the next. Its memory is that of
/// a batch, however far it is behind.
final class StreamForwarder: Sendable {
    let stream: String
    private let area: JournalArea
    private let pusher: Pusher
    private let log: LogName
    private let logger: Logger
    private let standing = Mutex(Standing())

    private struct Standing {
        var acknowledged: Timestamp?
        var failure: String?
        /// The segment that is being forwarded, and how far it is acknowledged.
        var segment: ID128?
        var offset: UInt64 = 0
    }

    /// Between two looks at a journal where nothing happens.
    private static let pause = Duration.milliseconds(50)
    private static let records = 2_000
    private static let bytes = 256 * 1_024

    init(stream: String, area: JournalArea, pusher: Pusher, log: LogName, logger: Logger) {
        self.stream = stream
        self.area = area
        self.pusher = pusher
        self.log = log
        self.logger = logger
    }

    /// Until the task is cancelled.
    func run() async {
        var tries = 0
        while !Task.isCancelled {
            do throws(Failure) {
                for segment in try area.segments(stream, [.open, .sealed]) {
                    try await forward(segment)
                    tries = 0
                }
                note(nil)
                try? await Task.sleep(for: Self.pause)
            } catch {
                if Task.isCancelled { return }
                note(error)
                tries += 1
                // 0.1 s, then twice as long each time up to some 30 s; never all hosts at the same moment.
                let most = min(30_000, 100 << min(tries, 9))
                try? await Task.sleep(for: .milliseconds(Int.random(in: most / 2...most)))
            }
        }
    }

    private func note(_ failure: Failure?) {
        let isNew = standing.withLock { standing in
            defer { standing.failure = failure?.text }
            return standing.failure != failure?.text
        }
        guard isNew else { return }
        guard let failure else {
            return logger.notice("events go on to the log", metadata: ["stream": "\(stream)"])
        }
        logger.warning("events wait in the journal: \(failure)", metadata: ["stream": "\(stream)"])
    }

    /// Until its end: the next segment is not begun before. Sooner where the log turns out to be another, as older segments
    /// then come first.
    private func forward(_ segment: JournalArea.Segment) async throws(Failure) {
        var hasGap = false
        var state = segment.state
        // Where the log stands: an empty batch asks.
        guard let first = try area.reader(stream, segment.id, state, from: ProducerMark.start.offset) else { return }
        guard var mark = try await push(batch(first.header, [], from: .start, isEnd: false)) else { return }
        guard var reader = try area.reader(stream, segment.id, state, from: mark.offset) else { return }
        while !Task.isCancelled {
            let items: [JournalScanner.Item]
            do throws(SystemError) {
                items = try reader.next(limit: Self.records, byteLimit: Self.bytes, isSealed: state == .sealed)
            } catch { throw error.failure("cannot read segment \(segment.id) of \(stream)") }
            if !items.isEmpty {
                hasGap = hasGap || items.contains { if case .gap = $0 { true } else { false } }
                guard let next = try await push(batch(reader.header, items, from: mark, isEnd: false)) else { return }
                mark = next
                if mark.offset != reader.offset {
                    // The log knows more, or less, than was thought.
                    guard let other = try area.reader(stream, segment.id, state, from: mark.offset) else { return }
                    reader = other
                }
            } else if state == .sealed {
                guard try await push(batch(reader.header, [], from: mark, isEnd: true)) != nil else { return }
                return try area.move(stream, segment.id, from: .sealed, to: hasGap ? .gap : .done)
            } else if try area.isThere(stream, segment.id, .sealed) {
                // The same file, under another name; what came in between is read first.
                state = .sealed
            } else {
                try? await Task.sleep(for: Self.pause)
            }
        }
    }

    private func batch(
        _ header: JournalHeader, _ items: [JournalScanner.Item], from mark: ProducerMark, isEnd: Bool
    ) -> ProducerBatch {
        var records: [ProducerBatch.Record] = []
        var gaps: [Range<UInt64>] = []
        for item in items {
            switch item {
            case .record(let offset, let bytes): records.append(ProducerBatch.Record(offset: offset, bytes: bytes))
            case .gap(let range): gaps.append(range)
            }
        }
        return ProducerBatch(
            node: pusher.node, incarnation: header.incarnation, segment: header.segment, stream: header.stream,
            start: mark, records: records, gaps: gaps, end: items.last?.places.end ?? mark.offset, isSealedEnd: isEnd)
    }

    /// Where the log stands now; nil when it is another log.
    private func push(_ batch: ProducerBatch) async throws(Failure) -> ProducerMark? {
        let (mark, name) = try await pusher.push(batch)
        guard try !log.saw(name) else { return nil }
        note(nil)
        standing.withLock { standing in
            standing.acknowledged = SystemClock.now()
            standing.segment = batch.segment
            standing.offset = mark.offset
        }
        guard !batch.records.isEmpty else { return mark }
        Counter(label: "ffs_pipeline_sent_total").increment(by: batch.records.count)
        guard mark != batch.start else {
            throw Failure(
                .corrupt,
                "the log has other events under the numbers of \(stream): this host, or its journals, were copied or rolled back; see ffsctl pipeline dead list there"
            )
        }
        return mark
    }

    /// For `pipe.status`.
    var status: PipeStatus.Stream {
        let standing = standing.withLock { $0 }
        let segments = (try? area.segments(stream, Set(JournalArea.State.allCases))) ?? []
        let waiting = segments.filter { [.open, .sealed].contains($0.state) }
        let pending = waiting.reduce(0) { sum, segment in
            let done = segment.id == standing.segment ? Int(standing.offset) : JournalHeader.length
            return sum + max(0, segment.size - done)
        }
        return PipeStatus.Stream(
            stream: stream, segments: waiting.count, pending: pending,
            damaged: segments.count { [.gap, .damaged].contains($0.state) },
            acknowledged: standing.acknowledged, failure: standing.failure)
    }
}
