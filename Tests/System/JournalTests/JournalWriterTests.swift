import Events
import FFSModel
import Foundation
import Journal
import SystemSupport
import TestSupport
import Testing

@Suite struct JournalWriterTests {
    private let area: TemporaryDirectory
    private let settings = JournalSettings(segmentSize: 64 * 1_024, reserve: 16 * 1_024)

    init() throws { area = try TemporaryDirectory("journal") }

    private func stream(_ settings: JournalSettings? = nil) throws -> JournalStream {
        try JournalStream(directory: area.path, stream: "test", settings: settings ?? self.settings)
    }

    private func read(_ segment: ID128, _ suffix: String) throws -> [JournalScanner.Item] {
        let file = try Descriptor.open(CPath(area("test/\(segment).\(suffix)")), .read)
        guard var reader = try SegmentReader(file) else { throw Damaged() }
        var all: [JournalScanner.Item] = []
        while true {
            let items = try reader.next(limit: 100, byteLimit: 10_000, isSealed: suffix == "sealed")
            if items.isEmpty { return all }
            all += items
        }
    }

    private struct Damaged: Error {}

    @Test func appendsAreReadWithTheirNumbers() throws {
        let stream = try stream()
        let writer = try JournalWriter(segment: stream.create())
        let first = try writer.append([1, 2, 3])
        let third = try writer.append([[4], [5]])
        #expect(first.offset == 4_096 && third.offset == 4_128 && first.segment == writer.segment)
        try writer.sync(through: third)
        let items: [JournalScanner.Item] = [
            .record(offset: 4_096, bytes: [1, 2, 3]), .record(offset: 4_112, bytes: [4]),
            .record(offset: 4_128, bytes: [5]),
        ]
        #expect(try read(writer.segment, "open") == items)
        let old = try writer.take(next: stream.create())
        try stream.seal(old)
        #expect(try read(old, "sealed") == items)
        #expect(try Files.size(area("test/\(old).sealed")) == 4_144)
        #expect(try writer.append([6]).segment != old)
    }

    /// What a run before left open is sealed, cut behind its last record, and gets nothing more.
    @Test func nothingIsAppendedAfterARestart() throws {
        let segment: ID128
        do {
            let writer = try JournalWriter(segment: try stream().create())
            segment = writer.segment
            try writer.append([1])
        }
        // As after a crash that had the size on disk before the bytes.
        let file = try Descriptor.open(CPath(area("test/\(segment).open")), .readWrite)
        try file.truncate(to: 20_000)
        let again = try stream()
        #expect(try Files.size(area("test/\(segment).sealed")) == 4_112)
        #expect(try JournalWriter(segment: again.create()).segment != segment)
    }

    /// A writer that outlives its owner: its segment is sealed when it ends, not before.
    @Test func whatIsStillWrittenIsSealedLater() throws {
        var writer: JournalWriter? = try JournalWriter(segment: try stream().create())
        let segment = try #require(writer?.segment)
        let again = try stream()
        try writer?.append([1])
        try again.sealForeign()
        #expect(Files.exists(area("test/\(segment).open")))
        writer = nil
        try again.sealForeign()
        #expect(try read(segment, "sealed") == [.record(offset: 4_096, bytes: [1])])
    }

    /// What is no record behind the last one is not cut off, so that it is found and named.
    @Test func aTornTailIsKeptForWhoeverForwards() throws {
        let stream = try stream()
        let descriptor = try stream.create()
        let second = try descriptor.duplicate()
        let writer = try JournalWriter(segment: descriptor)
        try writer.append([1])
        try second.write([0xFF, 0xFF, 0xFF])
        try stream.seal(writer.segment)
        #expect(
            try read(writer.segment, "sealed") == [.record(offset: 4_096, bytes: [1]), .gap(4_112..<4_115)])
    }

    /// Only segment and reserve are filled; then nothing is recorded until there is a next one, which says so first.
    @Test func theReserveEndsWithARefusal() throws {
        let stream = try stream()
        let writer = try JournalWriter(segment: stream.create())
        let record = [UInt8](repeating: 7, count: 1_016)
        var count = 0
        var wanted: Int?
        var reserved: Int?
        while count < 1_000 {
            do throws(JournalError) { try writer.append(record) } catch {
                #expect(error == .full)
                break
            }
            count += 1
            if wanted == nil, writer.wantsRoll { wanted = count }
            if reserved == nil, writer.isInReserve { reserved = count }
        }
        #expect(wanted == 56 && reserved == 64 && count == 80)
        #expect(throws: JournalError.full) { try writer.append(record) }
        try writer.take(next: stream.create())
        #expect(!writer.isInReserve && !writer.wantsRoll)
        let first = try #require(try read(writer.segment, "open").first)
        guard case .record(_, let bytes) = first else { throw Damaged() }
        let event = try Event(record: bytes)
        #expect(event.type == .journalLoss && event.integer(.count) == 2 && event.text(.stream) == "test")
    }

    /// A sync that failed is never tried again: all that wait, now and later, are told; the loss is recorded.
    @Test func aFailedSyncEndsTheSegment() throws {
        var calls = JournalCalls.system
        let syncs = Monitor(0)
        calls.sync = { _ throws(SystemError) in
            syncs.withLock { $0 += 1 }
            throw SystemError("fdatasync", .inputOutput)
        }
        let stream = try stream()
        let writer = try JournalWriter(segment: stream.create(), calls: calls)
        let number = try writer.append([1])
        try writer.append([2])
        let failure = JournalError.failed(SystemError("fdatasync", .inputOutput))
        for _ in 0..<3 { #expect(throws: failure) { try writer.sync(through: number) } }
        #expect(throws: failure) { try writer.append([3]) }
        #expect(syncs.withLock { $0 } == 1)
        #expect(writer.wantsRoll && writer.isInReserve)
        try writer.take(next: stream.create())
        #expect(throws: failure) { try writer.sync(through: number) }
        #expect(syncs.withLock { $0 } == 1)
        guard case .record(_, let bytes) = try #require(try read(writer.segment, "open").first) else { throw Damaged() }
        #expect(try Event(record: bytes).integer(.count) == 3)
    }

    /// A write that was cut short leaves a torn record, behind which nothing is written.
    @Test func aShortWriteEndsTheSegment() throws {
        var calls = JournalCalls.system
        let room = Monitor(40)
        calls.write = { file, bytes throws(SystemError) in
            let count = room.withLock { room in
                defer { room -= min(room, bytes.count) }
                return min(room, bytes.count)
            }
            return try file.writeOnce(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        }
        let stream = try stream()
        let writer = try JournalWriter(segment: stream.create(), calls: calls)
        let number = try writer.append([1])
        #expect(throws: JournalError.failed(SystemError("write", .noSpace))) {
            try writer.append([UInt8](repeating: 2, count: 40))
        }
        room.withLock { $0 = 1_000 }
        #expect(throws: JournalError.failed(SystemError("write", .noSpace))) { try writer.append([3]) }
        // What was written before can still be synced.
        try writer.sync(through: number)
        let old = try writer.take(next: stream.create())
        try stream.seal(old)
        #expect(try read(old, "sealed") == [.record(offset: 4_096, bytes: [1]), .gap(4_112..<4_136)])
    }

    /// Many who wait at the same time share syncs.
    @Test func waitersShareASync() async throws {
        var calls = JournalCalls.system
        let syncs = Monitor(0)
        calls.sync = { file throws(SystemError) in
            syncs.withLock { $0 += 1 }
            SystemClock.sleep(nanoseconds: 20_000_000)
            try file.syncData()
        }
        let writer = try JournalWriter(segment: try stream().create(), calls: calls)
        let ended = Monitor(0)
        for index in 0..<32 {
            try SystemThread(name: "waiter") {
                guard let number = try? writer.append([UInt8(index)]) else { return }
                if (try? writer.sync(through: number)) != nil { ended.withLock(wake: .all) { $0 += 1 } }
            }.detach()
        }
        let all: Void? = ended.wait(timeout: 10_000_000_000) { $0 == 32 ? () : nil }
        #expect(all != nil)
        #expect(syncs.withLock { $0 } < 16)
    }

    /// A folder that another user could have prepared: no link is followed.
    @Test func linksAreNotFollowed() throws {
        try Files.makeDirectory(area("elsewhere"))
        try FileManager.default.createSymbolicLink(atPath: area("test"), withDestinationPath: area("elsewhere"))
        #expect(throws: Failure.self) { try stream() }
        #expect(try Files.names(in: area("elsewhere")).isEmpty)
    }
}
