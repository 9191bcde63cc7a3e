import Events
import FFSModel
import Journal
import Requests
import StoredFormats
import SystemSupport
import TestSupport
import Testing

@testable import StagingService

/// What accounts show is in the journal, whenever the daemon died.
@Suite struct AccountEventTests {
    private struct Recording {
        let fixture: StagingFixture
        let journals: String

        init() throws {
            fixture = try StagingFixture()
            try fixture.publish(["a": "1"])
            fixture.engine.stop()
            journals = fixture.directory("journal")
            try Files.makeDirectory(journals)
        }

        func start(calls: JournalCalls = .system) throws -> StagingEngine {
            let journal = try Journal(
                directory: journals, stream: "ffsstaged",
                settings: JournalSettings(segmentSize: 1 << 16, reserve: 1 << 16),
                calls: calls)
            let recorder = try AccountRecorder(
                journal: journal, directory: fixture.settings.stateDirectory, clock: fixture.clock.clock,
                logger: fixture.log.logger)
            return try StagingEngine(
                settings: fixture.settings, logger: fixture.log.logger, clock: fixture.clock.clock, recorder: recorder)
        }

        /// A daemon that dies before it records anything.
        func startMute() throws -> StagingEngine {
            try StagingEngine(settings: fixture.settings, logger: fixture.log.logger, clock: fixture.clock.clock)
        }

        /// In the order of recording within each segment.
        func events() throws -> [Event] {
            let folder = "\(journals)/ffsstaged"
            var events: [Event] = []
            for name in try Files.names(in: folder) where name.hasSuffix(".open") || name.hasSuffix(".sealed") {
                guard var reader = try SegmentReader(try Descriptor.open(CPath("\(folder)/\(name)"), .read)) else {
                    continue
                }
                for case .record(_, let bytes) in try reader.next(limit: 10_000, byteLimit: 1 << 24, isSealed: true) {
                    events.append(try Event(record: bytes))
                }
            }
            return events
        }

        func types() throws -> [String] { try events().map(\.type.rawValue).sorted() }
    }

    @Test func everyChangeOfAnAccountIsRecorded() async throws {
        let recording = try Recording()
        let engine = try recording.start()
        let manifest = ContentDigest.sha256(
            of: Array(try Files.read("\(recording.fixture.settings.repository)/index/tool/1.0").utf8))
        let trace = TraceID.random()
        let request = StageCreate(
            customer: try CustomerName("acme"), items: [StagingFixture.item()], lifetime: 60, order: 7,
            terms: AccountTerms(retailer: try RetailerName("shop"), level: 2))
        let account = try await engine.create(request, id: .random(), trace: trace).account
        let staged = try #require(try recording.events().first)
        #expect(staged.type == .accountStaged && staged.trace == trace && staged.text(.account) == account.text)
        #expect(staged.text(.customer) == "acme" && staged.text(.retailer) == "shop" && staged.integer(.level) == 2)
        #expect(
            staged.text(.product) == "tool" && staged.text(.version) == "1.0" && staged.digest(.content) == manifest)
        #expect(staged.integer(.order) == 7 && staged.integer(.count) == 1 && staged.integer(.bytes) == 1)
        _ = try await engine.extend(account, lifetime: 120)
        try await engine.revoke(account, policy: .cut, actor: "uid 0")
        let revoked = try #require(try recording.events().first { $0.type == .accountRevoked })
        #expect(revoked.text(.actor) == "uid 0" && revoked.text(.outcome) == "cut")
        _ = try await engine.create(request, id: .random(), trace: trace)
        recording.fixture.clock.pass(61)
        #expect(
            try await recording.fixture.eventually {
                try recording.types() == [
                    "account.expired", "account.extended", "account.revoked", "account.staged", "account.staged",
                ]
            })
        engine.stop()
    }

    @Test func anAccountOfSeveralItemsIsAnEventForEach() async throws {
        let recording = try Recording()
        try recording.fixture.publish(["b": "2"], as: StagingFixture.item("other"))
        let engine = try recording.start()
        _ = try await engine.create(
            StageCreate(
                customer: try CustomerName("acme"), items: [StagingFixture.item(), StagingFixture.item("other")],
                lifetime: 60), id: .random())
        engine.stop()
        let events = try recording.events()
        #expect(events.map { $0.text(.product) } == ["other", "tool"] && Set(events.map(\.id)).count == 2)
    }

    /// Killed between what was done and the record of it: the next start makes up for it, with the events that would have
    /// been recorded.
    @Test func whatACrashLeftOutIsRecordedAtTheNextStart() async throws {
        let recording = try Recording()
        let id = RequestID.random()
        var engine = try recording.startMute()
        let account = try await engine.create(StagingFixture.request(), id: id).account
        _ = try await engine.extend(account, lifetime: 100_000)
        let other = try await engine.create(StagingFixture.request(), id: .random()).account
        try await engine.revoke(other, policy: nil)
        engine.stop()
        #expect(!Files.exists("\(recording.journals)/ffsstaged"))

        recording.fixture.clock.pass(1)
        engine = try recording.start()
        let expected = ["account.extended", "account.revoked", "account.staged", "account.staged"]
        #expect(try await recording.fixture.eventually { try recording.types() == expected })
        engine.stop()
        let made = Set(try recording.events().map(\.id))
        let record = try recording.fixture.record(account)
        #expect(made.isSuperset(of: AccountEvents.staged(record).map(\.id)))

        // All is recorded, and nothing of it again.
        recording.fixture.clock.pass(1_000)
        engine = try recording.start()
        #expect(try await recording.fixture.eventually { engine.index.isComplete })
        engine.stop()
        #expect(try recording.types() == expected)
    }

    @Test func anAccountThatCannotBeRecordedDoesNotStay() async throws {
        let recording = try Recording()
        let isFull = Monitor(true)
        var calls = JournalCalls.system
        let write = calls.write
        calls.write = { descriptor, bytes throws(SystemError) in
            if isFull.withLock({ $0 }) { throw SystemError("write", .noSpace) }
            return try write(descriptor, bytes)
        }
        let engine = try recording.start(calls: calls)
        let id = RequestID.random()
        for _ in 0..<2 {
            let failure = await #expect(throws: Failure.self) {
                try await engine.create(StagingFixture.request(), id: id)
            }
            #expect(failure?.code == .noSpace && failure?.text.contains("cannot be recorded") == true)
            #expect(try recording.fixture.accounts().isEmpty && engine.index.count == 0)
        }
        isFull.withLock { $0 = false }
        #expect(
            try await recording.fixture.eventually { (try? recording.types().contains("journal.loss")) == true })
        let account = try await engine.create(StagingFixture.request(), id: id).account
        #expect(try recording.fixture.accounts() == [account.text])
        engine.stop()
    }
}
