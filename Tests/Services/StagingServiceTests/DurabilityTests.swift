import FFSModel
import Logging
import Repository
import Requests
import StoredFormats
import SystemSupport
import TestSupport
import Testing

@testable import StagingService

/// What is answered for is on disk, and what the disk refuses is not answered for.
@Suite struct DurabilityTests {
    /// A disk that fails, or waits, at one of its barriers as a test says.
    private final class Disk: Sendable {
        enum Mood { case fine, failing, waiting }
        let files = Monitor(Mood.fine)
        let names = Monitor(Mood.fine)

        private static func pass(_ mood: Monitor<Mood>) throws(SystemError) {
            let end = mood.wait { mood in mood == .waiting ? nil : mood }
            if end == .failing { throw SystemError("fsync", .inputOutput) }
        }

        var commit: CommitDisk {
            CommitDisk(
                bringFiles: { [files] groups in
                    do throws(SystemError) { try Self.pass(files) } catch { return groups.map { _ in error } }
                    return groups.map { _ in nil }
                }, bringNames: { [names] () throws(SystemError) in try Self.pass(names) })
        }
    }

    /// An engine whose disk is `disk`, on the fixture's directories.
    private func engine(_ fixture: StagingFixture, _ disk: Disk) throws -> StagingEngine {
        fixture.engine.stop()
        return try StagingEngine(
            settings: fixture.settings, logger: fixture.log.logger, clock: fixture.clock.clock, disk: disk.commit)
    }

    @Test(arguments: [true, false])
    func aFailingSyncFailsTheJobAndTheSameRequestGoesOn(ofNames: Bool) async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1"])
        let disk = Disk()
        let engine = try engine(fixture, disk)
        defer { engine.stop() }
        let barrier = ofNames ? disk.names : disk.files
        barrier.withLock { $0 = .failing }
        let id = RequestID.random()
        let failure = await #expect(throws: Failure.self) {
            try await engine.create(StagingFixture.request(), id: id)
        }
        #expect(failure?.text.contains("account") == true)
        // Neither usable, nor listed, nor left behind.
        #expect(try fixture.accounts().isEmpty && Files.names(in: fixture.area(".building")).isEmpty)
        #expect(engine.index.count == 0)
        barrier.withLock { $0 = .fine }
        let account = try await engine.create(StagingFixture.request(), id: id)
        #expect(try fixture.accounts() == [account.account.text] && account.password != nil)
        #expect(engine.index.count == 1)
    }

    @Test func nobodyIsAnsweredBeforeTheDiskIs() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1"])
        let disk = Disk()
        let engine = try engine(fixture, disk)
        defer { engine.stop() }
        disk.files.withLock { $0 = .waiting }
        disk.names.withLock { $0 = .waiting }
        let isAnswered = Monitor(false)
        let answer = Task {
            _ = try await engine.create(StagingFixture.request(), id: .random())
            isAnswered.withLock { $0 = true }
        }
        // Built, and its record not on disk: not visible yet.
        #expect(
            try await fixture.eventually {
                try Files.names(in: fixture.area(".building")).contains {
                    Files.exists(fixture.area(".building/\($0)/record"))
                }
            })
        #expect(try fixture.accounts().isEmpty)
        disk.files.withLock(wake: .all) { $0 = .fine }
        #expect(try await fixture.eventually { try fixture.accounts().count == 1 })
        #expect(!isAnswered.withLock { $0 })
        disk.names.withLock(wake: .all) { $0 = .fine }
        try await answer.value
        #expect(isAnswered.withLock { $0 })
    }

    /// The real barriers reach the kernel: through a descriptor that cannot be synchronised they fail.
    @Test func theBarriersAreTheDisks() throws {
        let directory = try TemporaryDirectory("disk")
        let store = try AccountStore(path: directory.path, rootMode: [.pathOnly, .directory])
        let disk = try CommitDisk.real(store)
        #expect(throws: SystemError.self) { try disk.bringNames() }
        try Files.write("1", to: directory("file"))
        let whole = try Descriptor.open(CPath(directory("file")), .read)
        let place = try Descriptor.open(CPath(directory("file")), .pathOnly)
        let results = disk.bringFiles([[WrittenFile(whole)], [WrittenFile(place)]])
        // One account's bad file is not another's, where files are synchronised one by one.
        #expect(results.count == 2 && results[1] != nil)
        if ["ext4", "xfs"].contains(try store.root.space().typeName) { #expect(results[0] == nil) }
    }

    @Test func anAccountThatCannotBeEndedStaysListedAndIsTriedAgain() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1"])
        let account = try await fixture.create(lifetime: 60).account
        #expect(try await fixture.eventually { fixture.log.contains("area read") })
        // Something lies where it would go.
        try Files.makeDirectory(fixture.area(".withdrawn/\(account)/in-the-way"))
        fixture.clock.pass(60)
        #expect(try await fixture.eventually { fixture.log.contains("cannot end an account") })
        #expect(try await fixture.engine.list(StageList()).count == 1)
        try await command("rm", "-r", fixture.area(".withdrawn/\(account)")).succeeded()
        fixture.clock.pass(10)
        #expect(try await fixture.eventually { try fixture.accounts().isEmpty })
        #expect(try await fixture.engine.list(StageList()).count == 0)
    }

    @Test func extendingLeavesNothingBehindInMemory() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1"])
        let account = try await fixture.create(lifetime: 600).account
        for _ in 0..<50 {
            for lifetime in [700, 500] { _ = try await fixture.engine.extend(account, lifetime: lifetime) }
        }
        #expect(fixture.engine.index.waitingLooks <= 2)
        // And it ends when it should.
        fixture.clock.pass(500)
        #expect(try await fixture.eventually { try fixture.accounts().isEmpty })
    }
}
