import ArgumentParser
import Events
import FFSModel
import Journal
import Synchronization
import SystemSupport

/// What recording costs, beside probes of the same run:
///
///     bench-journal DIRECTORY
///
/// encoded and written: processor time of an event, and events a second of 1 and 16 producers, each with a journal of its own;
/// metered: events a second of 16 producers whose every event is synced, with 64 waiting in each (group commit), and one
/// producer's latency beside an appending write and fdatasync of the same bytes.
@main struct JournalBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "bench-journal")
    @Argument(help: "A directory on the disk that is measured.") var directory: String
    @Option(help: "Seconds of each measurement.") var seconds = 4

    func run() throws {
        for producers in [1, 16] {
            let (count, processor, time) = try written(producers)
            print(
                "written, \(producers) producers: \(Int(Double(count) / time)) events/s, "
                    + "\(String(Int(processor * 1e9 / Double(count)))) ns of processor time an event")
        }
        let metered = try metered(producers: 16, waiting: 64)
        print("metered, 16 producers, 64 waiting in each: \(metered) events/s")
        let (own, probe) = try latency()
        print("metered, 1 producer: p50 \(own / 1_000) us; probe (append and fdatasync) p50 \(probe / 1_000) us")
    }

    private func stream(_ name: String) throws -> JournalStream {
        try JournalStream(
            directory: directory, stream: name,
            settings: JournalSettings(segmentSize: 1_000 << 20, reserve: 16 << 20))
    }

    /// What a download records.
    static func record(_ number: UInt64) -> [UInt8] {
        var event = EventEncoder(.downloadCompleted, id: .random(), time: SystemClock.nanosecondsSince1970())
        event.append(.trace, ID128(high: number, low: 1))
        event.append(.customer, "acme")
        event.append(.product, "ignite-ux")
        event.append(.version, "C.7.24")
        event.append(.account, "k5zqk5zqk5zqk5zq")
        event.append(.order, number)
        event.append(.path, "/ignite-ux-C.7.24/some/folder/file-\(number)")
        event.append(.from, 0)
        event.append(.to, 4_096)
        event.append(.size, 4_096)
        event.append(.outcome, "ok")
        event.append(.peer, "192.0.2.7:50123")
        event.append(.service, "ftp")
        return event.bytes
    }

    private func written(_ producers: Int) throws -> (count: Int, processor: Double, time: Double) {
        let total = Atomic(0)
        let left = Monitor(producers)
        let writers = try (0..<producers).map { try JournalWriter(segment: stream("bench-\($0)").create()) }
        let begin = SystemClock.monotonic()
        let processorBegin = SystemClock.processor()
        let end = begin + Int64(seconds) * 1_000_000_000
        try run(writers) { writer in
            var count = 0
            while SystemClock.monotonic() < end {
                for _ in 0..<64 where (try? writer.append(Self.record(UInt64(count)))) != nil { count += 1 }
            }
            total.add(count, ordering: .relaxed)
            left.withLock(wake: .all) { $0 -= 1 }
        }
        left.wait { $0 == 0 ? () : nil }
        let time = Double(SystemClock.monotonic() - begin) / 1e9
        return (total.load(ordering: .relaxed), Double(SystemClock.processor() - processorBegin) / 1e9, time)
    }

    private func run(_ writers: [JournalWriter], _ body: @escaping @Sendable (JournalWriter) -> Void) throws {
        for writer in writers { try SystemThread(name: "producer") { body(writer) }.detach() }
    }

    /// Pipelined: an event is appended at once, and a place is free again when its sync has answered.
    private func metered(producers: Int, waiting: Int) throws -> Int {
        let total = Atomic(0)
        let left = Monitor(producers)
        let writers = try (0..<producers).map { try JournalWriter(segment: stream("bench-\($0)").create()) }
        let begin = SystemClock.monotonic()
        let end = begin + Int64(seconds) * 1_000_000_000
        try run(writers) { writer in
            var count = 0
            while SystemClock.monotonic() < end {
                var last: RecordNumber?
                for _ in 0..<waiting { last = try? writer.append(Self.record(UInt64(count))) }
                guard let last, (try? writer.sync(through: last)) != nil else { break }
                count += waiting
            }
            total.add(count, ordering: .relaxed)
            left.withLock(wake: .all) { $0 -= 1 }
        }
        left.wait { $0 == 0 ? () : nil }
        return Int(Double(total.load(ordering: .relaxed)) / (Double(SystemClock.monotonic() - begin) / 1e9))
    }

    /// In turns, so that the disk's moods meet both.
    private func latency() throws -> (own: Int64, probe: Int64) {
        let writer = try JournalWriter(segment: stream("bench-0").create())
        let folder = try Descriptor.open(CPath(directory), [.read, .directory])
        let file = try folder.open(
            CPath("probe-\(ID128.random())"), [.write, .append, .create, .exclusive], permissions: 0o600)
        _ = try file.preallocate(64 << 20)
        var own: [Int64] = []
        var probe: [Int64] = []
        for number in 0..<400 {
            let record = Self.record(UInt64(number))
            var begin = SystemClock.monotonic()
            try writer.sync(through: writer.append(record))
            own.append(SystemClock.monotonic() - begin)
            begin = SystemClock.monotonic()
            try file.write(record)
            try file.syncData()
            probe.append(SystemClock.monotonic() - begin)
        }
        return (own.sorted()[own.count / 2], probe.sorted()[probe.count / 2])
    }
}
