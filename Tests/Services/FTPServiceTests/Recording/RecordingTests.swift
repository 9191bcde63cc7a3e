import ConfigurationSchema
import Events
import FFSModel
import Glibc
import Journal
import Logging
import StoredFormats
import SystemSupport
import TestSupport
import Testing

@testable import FTPService

/// What a worker writes into its journal, and what its supervisor does when it is gone.
@Suite(.serialized) struct RecordingTests {
    private static func never(_ failure: String?) { Issue.record("nothing waits for a disk here: \(failure ?? "-")") }

    // MARK: Downloads

    @Test func aDownloadHasOneRecord() throws {
        let journal = try JournalFixture()
        let whole = journal.download()
        #expect(whole.complete(bytes: 1_000, tls: nil, synced: Self.never) == .settled)
        whole.end(sent: 1_000, tls: nil, why: nil)
        // Its last write was cut: it has its record already.
        let cut = journal.download()
        #expect(cut.complete(bytes: 1_000, tls: nil, synced: Self.never) == .settled)
        cut.end(sent: 999, tls: nil, why: "closed by the client")
        let broken = journal.download([100..<1_000])
        broken.end(sent: 17, tls: nil, why: "closed by the client")
        broken.end(sent: 18, tls: nil, why: "again")
        let events = try journal.events()
        #expect(
            events.map(\.summary) == [
                "download.completed 0-1000", "download.completed 0-1000", "download.aborted 100-117",
            ])
        #expect(events[2].text(.reason) == "closed by the client" && events[2].integer(.order) == 7)
        #expect(Set(events.map(\.id)).count == 3)
    }

    @Test func eachRangeHasItsRecord() throws {
        let journal = try JournalFixture()
        let parts = journal.download([0..<10, 500..<600])
        #expect(parts.complete(bytes: 110, tls: nil, synced: Self.never) == .settled)
        let broken = journal.download([0..<10, 500..<600, 700..<800])
        broken.end(sent: 30, tls: nil, why: "closed")
        let translated = journal.download(isASCII: true)
        #expect(translated.complete(bytes: 1_100, tls: nil, synced: Self.never) == .settled)
        let cut = journal.download([0..<1_000], isASCII: true)
        cut.end(sent: 500, tls: nil, why: "closed")
        let events = try journal.events()
        #expect(
            events.map(\.summary) == [
                "download.completed 0-10", "download.completed 500-600", "download.aborted 0-10",
                "download.aborted 500-520", "download.completed 0-1000", "download.aborted 0-0",
            ])
        #expect(events[4].integer(.bytes) == 1_100 && events[4].text(.flags) == "ascii")
    }

    /// Metered: the last byte waits for the disk, on no thread that serves.
    @Test func aMeteredDownloadWaitsForItsSync() throws {
        let journal = try JournalFixture()
        let told = Monitor<[String?]>([])
        let downloads = (0..<20).map { _ in journal.download(isMetered: true) }
        for download in downloads {
            let settlement = download.complete(bytes: 1_000, tls: nil) { failure in
                told.withLock(wake: .all) { $0.append(failure) }
            }
            #expect(settlement == .pending)
        }
        let answers = told.wait { $0.count == 20 ? $0 : nil }
        #expect(answers.allSatisfy { $0 == nil })
        #expect(try journal.events().allSatisfy { $0.text(.flags) == "metered" })
    }

    @Test func aFullJournalSettlesNothing() throws {
        var journal = try JournalFixture(JournalSettings(segmentSize: 1_024, reserve: 1_024))
        #expect(!journal.recorder.isRefusing)
        var settled = 0
        while case .settled = journal.download().complete(bytes: 1_000, tls: nil, synced: Self.never) {
            settled += 1
            guard settled < 100 else { break }
        }
        #expect((2..<20).contains(settled))
        #expect(journal.recorder.isRefusing)
        guard case .failed(let why) = journal.download().complete(bytes: 1, tls: nil, synced: Self.never) else {
            Issue.record("a last byte went out unrecorded")
            return
        }
        #expect(why.contains("full"))
        // The next segment tells how many are missing, and the work goes on.
        _ = try journal.handOver()
        #expect(!journal.recorder.isRefusing)
        #expect(journal.download().complete(bytes: 1_000, tls: nil, synced: Self.never) == .settled)
        let events = try journal.events()
        #expect(events.count { $0.type == .downloadCompleted } == settled + 1)
        #expect(events.first { $0.type == .journalLoss }?.integer(.count) == 2)
    }

    /// `serve`: what is not recorded is counted, and nobody is turned away.
    @Test func whoServesCounts() throws {
        var journal = try JournalFixture(JournalSettings(segmentSize: 1_024, reserve: 1_024), serves: true)
        for _ in 0..<50 {
            #expect(journal.download().complete(bytes: 1_000, tls: nil, synced: Self.never) == .settled)
            #expect(!journal.recorder.isRefusing)
        }
        _ = try journal.handOver()
        let events = try journal.events()
        let recorded = events.count { $0.type == .downloadCompleted }
        #expect(events.first { $0.type == .journalLoss }?.integer(.count) == UInt64(50 - recorded))
    }

    @Test func aSegmentIsAskedForOnce() throws {
        var journal = try JournalFixture(JournalSettings(segmentSize: 4_096, reserve: 65_536))
        let asked = Monitor(0)
        journal.recorder.whenSegmentIsWanted { asked.withLock { $0 += 1 } }
        for _ in 0..<100 { _ = journal.download().complete(bytes: 1_000, tls: nil, synced: Self.never) }
        #expect(asked.withLock { $0 } == 1)
        #expect(try journal.handOver() != nil)
        for _ in 0..<100 { _ = journal.download().complete(bytes: 1_000, tls: nil, synced: Self.never) }
        #expect(asked.withLock { $0 } == 2)
        #expect(try journal.events().count == 200)
    }

    /// A worker that has no segment yet takes nobody.
    @Test func withoutASegmentNothingBegins() throws {
        var journal = try JournalFixture(hasSegment: false)
        #expect(journal.recorder.isRefusing)
        #expect(journal.recorder.append(Array("x".utf8)) == .refused(JournalError.full.description))
        #expect(try journal.handOver() == nil)
        #expect(!journal.recorder.isRefusing)
    }

    /// Events name the order, the version in whose folder a file lies, and where the account comes from.
    @Test func eventsNameWhatTheAccountsRecordNames() throws {
        func item(_ version: String) throws -> Item {
            Item(product: try ProductName("p"), version: try VersionName(version))
        }
        func record(_ items: [Item]) throws -> AccountRecord {
            AccountRecord(
                account: try AccountID("abcdefghij234567"), customer: try CustomerName("acme"), items: items,
                created: Timestamp(seconds: 1), expires: Timestamp(seconds: 2), policy: .finish, order: 17,
                request: .random(),
                origin: .init(
                    trace: TraceID(high: 1, low: 2),
                    manifests: Dictionary(
                        uniqueKeysWithValues: items.enumerated().map {
                            ($1, ContentDigest(words: (UInt64($0), 0, 0, 9)))
                        }), retailer: nil, level: 3, isMetered: true),
                passwordDigest: .sha256(of: []), fileCount: 1, bytes: 1)
        }
        let two = AccountSubjects(try record([try item("1"), try item("2")]))
        let path = try #require(VirtualPath.root.resolving(Array("p-2/d/f".utf8)))
        let second = two.subject(of: path)
        #expect(second.version == Array("2".utf8) && second.product == Array("p".utf8) && second.order == 17)
        #expect(second.content == ContentDigest(words: (1, 0, 0, 9)) && second.level == 3)
        #expect(second.trace == TraceID(high: 1, low: 2) && second.retailer == nil)
        let sums = try #require(VirtualPath.root.resolving(Array("SHA256SUMS".utf8)))
        #expect(two.subject(of: sums).version == nil && two.subject(of: sums).order == 17)
        #expect(two.subject(of: nil).content == nil && two.subject(of: nil).customer == Array("acme".utf8))
        let one = AccountSubjects(try record([try item("1")]))
        #expect(one.subject(of: sums).version == Array("1".utf8))
    }

    // MARK: Sign-ins

    /// A stranger who guesses passwords does not fill the disk.
    @Test func refusedLoginsAreCounted() throws {
        let journal = try JournalFixture()
        let place = LoginPlace(
            peer: Endpoint(IPAddress(v4: 1), 2), service: .ftp, session: "0-1", tls: "TLSv1.3 X")
        for _ in 0..<10_000 { journal.recorder.refused(Array(repeating: 0x41, count: 500), "wrong password", place) }
        journal.recorder.countRefusals()
        journal.recorder.countRefusals()
        let events = try journal.events()
        #expect(events.count < 50)
        let single = try #require(events.first)
        #expect(single.text(.outcome) == "refused" && single.text(.reason) == "wrong password")
        #expect(single[.account]?.count == 64 && single.text(.tls) == "TLSv1.3 X" && single[.customer] == nil)
        #expect(events.last?.integer(.count) == UInt64(10_000 - (events.count - 1)))
    }

    // MARK: A worker's death

    private func keeper(_ journal: JournalFixture) throws -> JournalKeeper {
        var configuration = Configuration()
        try configuration.set("pipeline.journal-directory", to: journal.directory.path, from: .commandLine)
        return try #require(
            JournalKeeper(configuration, log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
    }

    /// What was under way is recorded as aborted, once; what has its record already has no other.
    @Test func whatADeadWorkerHadUnderWayIsRecorded() throws {
        let journal = try JournalFixture()
        let header = try #require(JournalHeader(bytes: try journal.segments[0].duplicate().readStart(4_096)))
        let running = journal.download([10..<1_000], path: "/" + String(repeating: "d", count: 4_000))
        #expect(running.goesOn())
        running.progressed(sent: 32, tls: nil)
        let over = journal.download()
        #expect(over.goesOn())
        over.end(sent: 5, tls: nil, why: "closed")
        let settled = journal.download()
        #expect(settled.goesOn())
        #expect(settled.complete(bytes: 1_000, tls: nil, synced: Self.never) == .settled)
        // Killed between its mark and its record.
        let marked = journal.download([0..<20])
        #expect(marked.goesOn())
        let slots = (0..<8).filter { journal.memory.load(at: 1_024 * ($0 + 1)) == 1 }
        journal.recorder.running.settling(try #require(slots.last))
        let keeper = try keeper(journal)
        keeper.bury(0, [.init(id: header.segment, file: journal.segments[0])], running: journal.memory)
        let events = try journal.events()
        #expect(
            events.map(\.summary).sorted() == [
                "download.aborted 0-0", "download.aborted 0-5", "download.aborted 10-42", "download.completed 0-1000",
            ])
        #expect(Set(events.map(\.id)).count == 4)
        let aborted = try #require(events.first { $0.summary == "download.aborted 10-42" })
        #expect(aborted.text(.reason) == "the process that served it ended" && aborted.text(.customer) == "acme")
        #expect(aborted[.path]?.count == 400)
        let names = try Files.names(in: "\(journal.directory.path)/ffsftpd-0").filter { $0.hasSuffix(".open") }
        #expect(names.isEmpty, "a dead worker's segments are sealed")
    }

    /// A worker that was taken over wrote what it liked.
    @Test func nonsenseInSlotsIsNoEvent() throws {
        let memory = try SharedMemory(size: RunningTable.size)
        memory.store(.max, at: 0)
        #expect(RunningTable.left(in: memory, now: 0).isEmpty)
        memory.store(-1, at: 0)
        #expect(RunningTable.left(in: memory, now: 0).isEmpty)
        memory.store(3, at: 0)
        for (slot, length) in [(0, Int64.max), (1, -5), (2, 40)] {
            memory.store(1, at: 1_024 * (slot + 1))
            memory.store(length, at: 1_024 * (slot + 1) + 24)
            memory.store(.min, at: 1_024 * (slot + 1) + 16)
        }
        #expect(RunningTable.left(in: memory, now: .min + 1).isEmpty)
    }

    @Test func slotsAreUsedAgainAndEnd() throws {
        let table = RunningTable(try SharedMemory(size: RunningTable.size))
        let record = [UInt8](repeating: 1, count: 300)
        let first = try #require(table.begin(record, at: 0, from: 0))
        table.end(first)
        #expect(table.begin(record, at: 0, from: 0) == first)
        var count = 1
        while table.begin(record, at: 0, from: 0) != nil { count += 1 }
        #expect(count == 16_384)
        #expect(table.begin([UInt8](repeating: 1, count: 2_000), at: 0, from: 0) == nil)
    }
}
