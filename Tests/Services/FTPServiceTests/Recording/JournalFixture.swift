import Events
import FFSModel
import Journal
import SystemSupport
import TestSupport

@testable import FTPService

/// A journal of one worker: what the supervisor has, what the worker has, and what was recorded.
struct JournalFixture {
    let directory: TemporaryDirectory
    let stream: JournalStream
    let memory: SharedMemory
    let recorder: Recorder
    /// Those that were handed over, the last one used now.
    private(set) var segments: [LentDescriptor] = []

    init(_ settings: JournalSettings = JournalSettings(), serves: Bool = false, hasSegment: Bool = true) throws {
        directory = try TemporaryDirectory("journal")
        stream = try JournalStream(directory: directory.path, stream: "ffsftpd-0", settings: settings)
        memory = try SharedMemory(size: RunningTable.size)
        recorder = try Recorder(running: RunningTable(memory), serves: serves)
        if hasSegment { try handOver() }
    }

    /// Has the recorder take the next segment; the one before.
    @discardableResult
    mutating func handOver() throws -> ID128? {
        let segment = LentDescriptor(try stream.create())
        segments.append(segment)
        let taken = Monitor<Result<ID128?, JournalError>?>(nil)
        recorder.take(segment) { result in taken.withLock(wake: .all) { $0 = result } }
        return try taken.wait { $0 }.get()
    }

    /// Events of all segments in the folder, in the order in which they were written.
    func events() throws -> [Event] {
        let folder = "\(directory.path)/ffsftpd-0"
        var found: [(made: Int64, events: [Event])] = []
        for name in try Files.names(in: folder) where name.hasSuffix(".open") || name.hasSuffix(".sealed") {
            guard var reader = try SegmentReader(try Descriptor.open(CPath("\(folder)/\(name)"), .read)) else {
                throw TestFailure("\(name) has no header")
            }
            var events: [Event] = []
            while true {
                let items = try reader.next(limit: 1_000, byteLimit: 1 << 20, isSealed: true)
                if items.isEmpty { break }
                for case .record(_, let bytes) in items { events.append(try Event(record: bytes)) }
            }
            found.append((reader.header.made, events))
        }
        return found.sorted { $0.made < $1.made }.flatMap(\.events)
    }

    /// A download of `ranges` of a file of 1,000 bytes.
    func download(
        _ ranges: [Range<UInt64>] = [0..<1_000], isMetered: Bool = false, isASCII: Bool = false, path: String = "/p-1/f"
    ) -> DownloadRecord {
        var event = TransferEvent(
            finished: Timestamp(seconds: 0), nanoseconds: 0, service: .ftp, session: "0-1",
            peer: Endpoint(IPAddress(v4: 0x7F00_0001), 9), account: "abcdefghij234567", path: Array(path.utf8),
            offset: ranges[0].lowerBound, bytes: 0, isComplete: false, isASCII: isASCII)
        event.size = 1_000
        return DownloadRecord(
            event, of: EventSubject(customer: Array("acme".utf8), account: Array("abcdefghij234567".utf8), order: 7),
            ranges: ranges, isMetered: isMetered, recorder: recorder)
    }
}

extension Event {
    /// `download.completed 0-1000`
    var summary: String { "\(type) \(integer(.from) ?? 0)-\(integer(.to) ?? 0)" }
}
