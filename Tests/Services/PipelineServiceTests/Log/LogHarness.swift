import Events
import FFSModel
import GRDB
import Logging
import Pipeline
import Synchronization
import SystemSupport
import TestSupport
import Testing
import Transparency

@testable import PipelineService

/// A log in a folder of its own, and what its logger said.
final class LogHarness {
    let directory: TemporaryDirectory
    let lines = AlarmLines()
    private(set) var log: LogDatabase

    init() async throws {
        directory = try TemporaryDirectory("log")
        let path = directory("own/log.sqlite")
        log = try await Self.open(path, lines)
    }

    var path: String { directory("own/log.sqlite") }

    static func open(_ path: String, _ lines: AlarmLines) async throws -> LogDatabase {
        let owner = try #require(try SystemUser(number: SystemUser.effectiveNumber))
        let store = try SQLiteLogStore(path: path, owner: owner)
        let folder = String(path.dropLast("/log.sqlite".count))
        return try await LogDatabase(
            store: store, key: try LogKey.load(directory: folder), node: "internal-1", logger: lines.logger,
            clock: { 1_795_564_800_000_000_000 })
    }

    /// Stops the log, does something to its files, and starts it again.
    func reopen(_ meanwhile: () async throws -> Void = {}) async throws {
        try await log.close()
        try await meanwhile()
        log = try await Self.open(path, lines)
    }

    /// Copies a file of the folder, as a backup does and a restore.
    func copy(_ name: String, to other: String) throws {
        let target = directory(other)
        try Files.write(try Files.bytes(directory(name)), to: target)
        try Files.setMode(0o600, of: target)
    }

    /// SQL as somebody who has the file would run it.
    func sql(_ statement: String) async throws {
        let queue = try DatabaseQueue(path: path)
        try await queue.write { try $0.execute(sql: statement) }
        try queue.close()
    }

    func leaves(_ change: (inout LogQuery) -> Void = { _ in }) async throws -> [LogLeaf] {
        var query = LogQuery()
        query.limit = 10_000
        change(&query)
        return try await log.leaves(query)
    }

    func head() async throws -> LogHead { try #require(try await log.store.read { try $0.head() }) }
    func deadLetters() async throws -> [DeadLetter] {
        try await log.store.read { try $0.deadLetters(after: 0, limit: 100) }
    }
}

/// Log lines of level error.
final class AlarmLines: Sendable {
    private let lines = Mutex<[String]>([])
    var text: String { lines.withLock { $0.joined(separator: "\n") } }
    var logger: Logger { Logger(label: "test") { [self] _ in Handler(lines: self) } }

    private struct Handler: LogHandler {
        let lines: AlarmLines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.error
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) { lines.lines.withLock { $0.append("\(event.message)") } }
    }
}

/// A segment of a host's journal, batch by batch.
struct TestProducer {
    let node: NodeName
    let incarnation = ID128.random()
    let segment = ID128.random()
    var mark = ProducerMark.start

    init(_ node: NodeName = "storage-1") { self.node = node }

    mutating func batch(_ events: [Event], ended: Bool = false) -> ProducerBatch {
        batch(records: events.map(\.record), ended: ended)
    }

    mutating func batch(records: [[UInt8]], gap: UInt64 = 0, ended: Bool = false) -> ProducerBatch {
        var offset = mark.offset
        var hash = mark.hash
        var placed: [ProducerBatch.Record] = []
        for record in records {
            placed.append(.init(offset: offset, bytes: record))
            hash.add(record: record, at: offset)
            offset += UInt64(JournalFrame.length(record.count))
        }
        let gaps = gap == 0 ? [] : [offset..<offset + gap]
        for gap in gaps { hash.add(gap: gap) }
        defer { mark = ProducerMark(offset: offset + gap, hash: hash) }
        return ProducerBatch(
            node: node, incarnation: incarnation, segment: segment, stream: "ffsftpd-0", start: mark, records: placed,
            gaps: gaps, end: offset + gap, isSealedEnd: ended)
    }
}

/// A download, whole unless said otherwise.
func download(
    _ customer: String = "acme", order: UInt64 = 7, path: String = "/tool/1/a", bytes range: Range<UInt64> = 0..<100,
    size: UInt64 = 100, product: String = "tool", type: EventType = .downloadCompleted
) -> Event {
    var event = Event(type, time: 1_795_564_799_000_000_000)
    event.set(.trace, ID128(high: 1, low: order))
    event.set(.customer, customer)
    event.set(.product, product)
    event.set(.version, "1")
    event.set(.content, TreeHashing.hash(Array(product.utf8)))
    event.set(.account, "k5zqk5zqk5zqk5zq")
    event.set(.order, order)
    event[.path] = Array(path.utf8)
    event.set(.from, range.lowerBound)
    event.set(.to, range.upperBound)
    event.set(.size, size)
    event.set(.peer, "192.0.2.7:40213")
    return event
}

extension NodeName: ExpressibleByStringLiteral {
    package init(stringLiteral text: String) { self.init(validated: text) }
}

extension CustomerName: ExpressibleByStringLiteral {
    package init(stringLiteral text: String) { self.init(validated: text) }
}
