import FFSModel
import Glibc
import Repository
import StoredFormats
import SystemSupport
import TestSupport
import Testing

@Suite struct VerifyTests {
    /// Writes over an object's first byte, as a bad disk would: size and times stay.
    private func damage(_ path: String) throws {
        let file = try Descriptor.open(CPath(path), .readWrite)
        let status = try file.status()
        let first = try file.readStart(1)[0]
        try [first ^ 1].withUnsafeBytes { try file.write($0, at: 0) }
        try file.setModified(status.modified / 1_000_000_000)
    }

    /// As root files of mode 0444 can be written; else their owner has to allow it first.
    private func damageObject(_ digest: ContentDigest, _ fixture: Fixture) throws {
        let path = fixture.path(of: digest)
        if !Fixture.isRoot { try Files.setMode(0o644, of: path) }
        try damage(path)
    }

    private func quarantine(_ fixture: Fixture) throws -> [String] {
        try Files.names(in: "\(fixture.top)/repository/quarantine")
    }

    @Test func aSoundRepositoryIsClean() async throws {
        let fixture = try await Fixture()
        for number in 0..<300 { try fixture.write("\(number)", "content \(number)") }
        let published = try fixture.publish()
        var last: VerifyProgress?
        let report = try fixture.repository.verify(VerifyOptions()) {
            #expect($0.bytes <= $0.totalBytes && $0.objects <= $0.totalObjects)
            last = $0
            return true
        }
        #expect(report.isClean && report.isComplete && report.objects == 301)
        #expect(last?.bytes == last?.totalBytes && report.bytes > published.bytes)
        #expect(try quarantine(fixture) == [])
        #expect(!Files.exists("\(fixture.top)/repository/verify"))
    }

    @Test func adamagedObjectGoesToQuarantineAndPublishingMendsIt() async throws {
        let fixture = try await Fixture()
        try fixture.write("a", "first")
        try fixture.write("b", "second")
        try fixture.publish()
        try fixture.publish("2.0", from: "\(fixture.source)/b")
        let digest = try fixture.repository.manifest(of: fixture.item("2.0")).rows[0].digest
        try damageObject(digest, fixture)

        let report = try fixture.repository.verify(VerifyOptions()) { _ in true }
        #expect(report.damaged.map(\.name) == [digest.description])
        #expect(report.damaged.map(\.isMended) == [false] && report.damaged.map(\.size) == [6])
        #expect(report.incomplete.map(\.item) == [try fixture.item(), try fixture.item("2.0")])
        #expect(report.incomplete.map(\.missing) == [1, 1] && !report.isClean)
        #expect(try quarantine(fixture).map { $0.prefix(64) } == [digest.description.prefix(64)])
        #expect(try fixture.repository.status(of: digest) == nil)

        let again = try fixture.publish()
        #expect(again.wasThere && again.newFiles == 1)
        #expect(try fixture.repository.verify(VerifyOptions()) { _ in true }.isClean)
    }

    @Test func aGoodReplicaTakesTheDamagedOnesPlace() async throws {
        let fixture = try await Fixture()
        try fixture.write("a", "first")
        try fixture.publish()
        let digest = try fixture.repository.manifest(of: fixture.item()).rows[0].digest
        try IncomingSession(in: fixture.repository).replicate(digest, number: 1)
        let replica = try #require(try fixture.repository.status(of: digest, replica: 1))
        #expect(replica.size == 5 && replica.permissions == 0o444)
        try damageObject(digest, fixture)

        let report = try fixture.repository.verify(VerifyOptions()) { _ in true }
        #expect(report.damaged.map(\.isMended) == [true] && report.incomplete.isEmpty)
        #expect(try fixture.repository.status(of: digest)?.inode == replica.inode)
        #expect(try fixture.repository.status(of: digest, replica: 1) == nil)
    }

    @Test func aDamagedObjectIsNotReplicated() async throws {
        let fixture = try await Fixture()
        try fixture.write("a", "first")
        try fixture.publish()
        let digest = try fixture.repository.manifest(of: fixture.item()).rows[0].digest
        try damageObject(digest, fixture)
        let session = try IncomingSession(in: fixture.repository)
        let corrupt = try failure { try session.replicate(digest, number: 1) }
        #expect(corrupt.code == .corrupt && corrupt.text.contains(digest.description))
        #expect(try fixture.repository.status(of: digest, replica: 1) == nil)
    }

    /// First byte: no manifest any more. Middle of a digest: a manifest, but another one.
    @Test(arguments: [0, 30]) func aDamagedManifestIsFoundAndTheVersionCanBePublishedAgain(at offset: Int) async throws
    {
        let fixture = try await Fixture()
        try fixture.write("a", "first")
        let published = try fixture.publish()
        let path = fixture.path(of: published.manifest)
        if !Fixture.isRoot { try Files.setMode(0o644, of: path) }
        let file = try Descriptor.open(CPath(path), .readWrite)
        let byte = try file.readStart(64)[offset]
        try [byte == UInt8(ascii: "0") ? UInt8(ascii: "1") : UInt8(ascii: "0")].withUnsafeBytes {
            try file.write($0, at: offset)
        }

        let report = try fixture.repository.verify(VerifyOptions()) { _ in true }
        #expect(report.damaged.map(\.name) == [published.manifest.description])
        #expect(report.damaged.map(\.otherNames) == [1])
        #expect(report.unreadable == [try fixture.item()] && !report.isClean)
        #expect(try fixture.repository.versions().isEmpty)
        #expect(try fixture.publish().manifest == published.manifest)
        #expect(try fixture.repository.verify(VerifyOptions()) { _ in true }.isClean)
    }

    @Test func aStrangeNameIsNoObject() async throws {
        let fixture = try await Fixture()
        try fixture.write("a", "first")
        try fixture.publish()
        try Files.write("stray", to: "\(fixture.objects)/ab/stray")
        let report = try fixture.repository.verify(VerifyOptions()) { _ in true }
        #expect(report.damaged.map(\.name) == ["stray"])
        #expect(!Files.exists("\(fixture.objects)/ab/stray"))
    }

    @Test func itGoesOnWhereItStopped() async throws {
        let fixture = try await Fixture()
        for number in 0..<100 { try fixture.write("\(number)", "content \(number)") }
        try fixture.publish()
        var seen = 0
        let stopped = try fixture.repository.verify(VerifyOptions()) { progress in
            seen = progress.objects
            return progress.objects < 40
        }
        #expect(!stopped.isComplete && seen == 40)
        let state = try Descriptor.open(CPath("\(fixture.top)/repository/verify"), .read).status()
        #expect(state.permissions == 0o600)
        if let owner = fixture.owner { #expect(state.user == owner.user) }

        var first: VerifyProgress?
        let rest = try fixture.repository.verify(VerifyOptions()) {
            first = first ?? $0
            return true
        }
        // The object at which it stopped is done again.
        #expect(rest.isComplete && rest.objects == 101 && (39...41).contains(first?.objects ?? 0))

        _ = try fixture.repository.verify(VerifyOptions()) { $0.objects < 40 }
        var options = VerifyOptions()
        options.resume = false
        first = nil
        _ = try fixture.repository.verify(options) {
            first = first ?? $0
            return true
        }
        #expect(first?.objects ?? 9 <= 1)
    }

    @Test func theRateIsKept() async throws {
        let fixture = try await Fixture()
        try fixture.write("a", [UInt8](repeating: 7, count: 6 << 20))
        try fixture.publish()
        var options = VerifyOptions()
        options.rate = 10 << 20
        let start = ContinuousClock.now
        #expect(try fixture.repository.verify(options) { _ in true }.isClean)
        #expect((.milliseconds(550)...(.seconds(5))).contains(.now - start))
    }
}
