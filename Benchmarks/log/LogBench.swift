import ArgumentParser
import Events
import FFSModel
import Logging
import Pipeline
import PipelineService
import SystemSupport

/// How many events a second become rows, leaves and tiles of the log, each batch durable before the next; beside it, as a probe,
/// how fast the same bytes go to a file that is synced as often.
@main
struct LogBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "bench-log")

    @Option(help: "A new directory on the file system to measure.") var directory: String
    @Option var events = 300_000
    @Option(help: "Records in a batch.") var batch = 2_000
    @Option(help: "Producers whose batches alternate.") var producers = 4

    func run() async throws {
        let batches = try Self.batches(events: events, size: batch, producers: producers)
        let bytes = batches.reduce(0) { $0 + $1.records.reduce(0) { $0 + $1.bytes.count } }
        Swift.print("\(events) events, \(bytes / events) bytes each, batches of \(batch)")
        try probe(batches)
        guard let user = try SystemUser(number: SystemUser.effectiveNumber) else { return }
        let store = try SQLiteLogStore(path: "\(directory)/log.sqlite", owner: user)
        let log = try await LogDatabase(
            store: store, key: try LogKey.load(directory: directory), node: try NodeName("bench"),
            logger: Logger(label: "bench"))
        let start = SystemClock.monotonic()
        for (number, batch) in batches.enumerated() {
            _ = try await log.ingest(batch)
            if number % 32 == 31 { _ = try await log.checkpoint() }
        }
        Self.print("rows", events, since: start)
        let signing = SystemClock.monotonic()
        for number in 0..<50 {
            try await log.record([Event(.keyChanged, time: Int64(number), fields: [.outcome: []])])
            _ = try await log.checkpoint()
        }
        Self.print("single events, each with a checkpoint", 50, since: signing)
        try await log.close()
    }

    private func probe(_ batches: [ProducerBatch]) throws {
        let folder = try Descriptor.open(CPath(directory), [.read, .directory])
        let file = try folder.open("probe", [.write, .create, .exclusive], permissions: 0o600)
        let start = SystemClock.monotonic()
        for batch in batches {
            try file.write(batch.records.flatMap(\.bytes))
            try file.sync()
        }
        Self.print("probe: written and synced", events, since: start)
        try folder.unlink("probe")
    }

    private static func print(_ what: String, _ count: Int, since start: Int64) {
        let seconds = Double(SystemClock.monotonic() - start) / 1e9
        Swift.print("\(what): \(Int(Double(count) / seconds)) a second")
    }

    private static func batches(events: Int, size: Int, producers: Int) throws -> [ProducerBatch] {
        let node = try NodeName("storage-1")
        let segments = (0..<producers).map { _ in ID128.random() }
        let incarnation = ID128.random()
        var marks = [ProducerMark](repeating: .start, count: producers)
        return stride(from: 0, to: events, by: size).map { first in
            let place = first / size % producers
            var (offset, hash) = (marks[place].offset, marks[place].hash)
            let records = (first..<min(first + size, events)).map { number in
                let bytes = event(number).record
                defer {
                    hash.add(record: bytes, at: offset)
                    offset += UInt64(JournalFrame.length(bytes.count))
                }
                return ProducerBatch.Record(offset: offset, bytes: bytes)
            }
            defer { marks[place] = ProducerMark(offset: offset, hash: hash) }
            return ProducerBatch(
                node: node, incarnation: incarnation, segment: segments[place], stream: "ffsftpd-\(place)",
                start: marks[place], records: records, gaps: [], end: offset, isSealedEnd: false)
        }
    }

    private static func event(_ number: Int) -> Event {
        var event = Event(.downloadCompleted, time: 1_795_564_800_000_000_000 + Int64(number) * 30_000)
        event.set(.trace, ID128.random())
        event.set(.customer, "customer-\(number % 5_000)")
        event.set(.product, "product-\(number % 300)")
        event.set(.version, "1.\(number % 7)")
        event.set(.content, ContentDigest(words: (UInt64(number % 2_100), 2, 3, 4)))
        event.set(.account, "k5zqk5zqk5zqk5zq")
        event.set(.order, UInt64(number / 3))
        event.set(.path, "/product-\(number % 300)/1.\(number % 7)/file-\(number % 11).tar.gz")
        event.set(.digest, ContentDigest(words: (UInt64(number % 9_000), 5, 6, 7)))
        event.set(.from, 0)
        event.set(.to, 4_096)
        event.set(.size, 4_096)
        event.set(.duration, 31_415_926)
        event.set(.outcome, "ok")
        event.set(.peer, "192.0.2.\(number % 250):40213")
        event.set(.service, "ftp")
        event.set(.tls, "TLSv1.3 TLS_AES_256_GCM_SHA384")
        event.set(.session, UInt64(number))
        return event
    }
}
