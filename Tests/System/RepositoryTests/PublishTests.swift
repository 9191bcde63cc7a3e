import FFSModel
import Glibc
import Repository
import StoredFormats
import SystemSupport
import TestSupport
import Testing

@Suite struct PublishTests {
    @Test func objectsHoldTheSourcesBytesUnderTheirDigests() async throws {
        let fixture = try await Fixture()
        try fixture.write("readme.txt", "read me\n")
        try fixture.write("bin/run", "#!/bin/sh\n")
        try Files.setMode(0o755, of: "\(fixture.source)/bin/run")
        try fixture.write("empty", "")
        try fixture.write("copy of readme", "read me\n")
        // Larger than one buffer, and than what is hashed on the spot.
        let large = (0..<3_000_017).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try fixture.write("large", large)

        let published = try fixture.publish()
        #expect(published.fileCount == 5 && published.bytes == large.count + 26 && !published.wasThere)
        #expect(published.newFiles == 4 && published.newBytes == large.count + 18)
        let manifest = try fixture.repository.manifest(of: fixture.item())
        let files = manifest.rows.indices.map { manifest.file(at: $0) }
        #expect(files.map(\.path.description) == ["bin/run", "copy of readme", "empty", "large", "readme.txt"])
        #expect(files.map(\.isExecutable) == [true, false, false, false, false])
        for file in files {
            let source = "\(fixture.source)/\(file.path)"
            let object = fixture.path(of: file.digest)
            #expect(try await fixture.sha256sum(source) == file.digest.description)
            #expect(try await fixture.sha256sum(object) == file.digest.description)
            #expect(try Files.size(source) == file.size)
            try expectSealed(object, fixture)
        }
        // The version is its manifest, and that is an object, too.
        let entry = "\(fixture.top)/repository/index/tools/1.0"
        #expect(try await fixture.sha256sum(entry) == published.manifest.description)
        #expect(try Files.inode(entry) == Files.inode(fixture.path(of: published.manifest)))
        #expect(try fixture.objectNames().count == 5)
        #expect(try Files.names(in: "\(fixture.top)/repository/incoming") == [])
        #expect(try fixture.repository.versions() == [fixture.item()])
        let summary = try fixture.repository.summary(of: fixture.item())
        #expect(summary.files == 5 && summary.bytes == published.bytes)
        #expect(abs(summary.published - SystemClock.now()) < 60)
    }

    private func expectSealed(_ object: String, _ fixture: Fixture) throws {
        let status = try Descriptor.open(CPath(object), .read).status()
        #expect(status.permissions == 0o444)
        if let owner = fixture.owner { #expect(status.user == owner.user && status.group == owner.group) }
    }

    @Test func aSingleFileIsAVersionOfOneFile() async throws {
        let fixture = try await Fixture()
        try fixture.write("disk.iso", "iso")
        let published = try fixture.publish(from: "\(fixture.source)/disk.iso")
        #expect(published.fileCount == 1)
        let manifest = try fixture.repository.manifest(of: fixture.item())
        #expect(manifest.file(at: 0).path.description == "disk.iso")
        // A path that ends in slashes, as completion leaves it, means the folder.
        #expect(try fixture.publish("2.0", from: fixture.source + "//").manifest == published.manifest)
    }

    @Test func namesOfAnyBytesSurvive() async throws {
        let fixture = try await Fixture()
        let name: [UInt8] = [0xFF, 0x20, UInt8(ascii: "\\"), 0xC3, 0xA9]
        let folder = try Descriptor.open(CPath(fixture.source), [.read, .directory])
        try folder.writeFile(CPath(bytes: name)!, [1], permissions: 0o644, durable: false)
        try folder.writeFile("...", [2], permissions: 0o644, durable: false)
        try folder.writeFile("-rf", [3], permissions: 0o644, durable: false)
        try fixture.publish()
        let manifest = try fixture.repository.manifest(of: fixture.item())
        #expect(manifest.rows.map { Array(manifest.path(of: $0)) } == [Array("-rf".utf8), Array("...".utf8), name])
    }

    @Test func holesStayHoles() async throws {
        let fixture = try await Fixture()
        let path = "\(fixture.source)/sparse"
        try await command("truncate", "-s", "64M", path).succeeded()
        let file = try Descriptor.open(CPath(path), .readWrite)
        try [UInt8]("in the middle".utf8).withUnsafeBytes { try file.write($0, at: 33_554_431) }
        try fixture.publish()
        let digest = try fixture.repository.manifest(of: fixture.item()).rows[0].digest
        #expect(try await fixture.sha256sum(path) == digest.description)
        #expect(try await fixture.sha256sum(fixture.path(of: digest)) == digest.description)
        let status = try #require(try fixture.repository.status(of: digest))
        #expect(status.size == 64 << 20 && status.allocated < 1 << 20)
    }

    @Test func theSameAgainChangesNothing() async throws {
        let fixture = try await Fixture()
        try fixture.write("a", "1")
        try fixture.write("b", "2")
        let first = try fixture.publish()
        let before = try snapshot(fixture)
        let second = try fixture.publish()
        #expect(second.wasThere && second.manifest == first.manifest && second.newFiles == 0 && second.newBytes == 0)
        #expect(try snapshot(fixture) == before)
        #expect(try Files.names(in: "\(fixture.top)/repository/incoming") == [])
    }

    /// Inode and change time of all objects: neither moves when nothing is written.
    private func snapshot(_ fixture: Fixture) throws -> [String: [Int64]] {
        var all: [String: [Int64]] = [:]
        for path in try Files.below(fixture.objects) {
            let status = try Descriptor.open(CPath(path), .read).status()
            all[path] = [Int64(status.inode), status.changed]
        }
        return all
    }

    @Test func aVersionNeverChangesUnlessItIsSaid() async throws {
        let fixture = try await Fixture()
        try fixture.write("a", "1")
        let first = try fixture.publish()
        let objects = try fixture.objectNames()
        // Same count and size: only the bytes tell.
        try fixture.write("a", "2")
        let refused = try failure { try fixture.publish() }
        #expect(refused.code == .exists && refused.text.contains("tools 1.0") && refused.text.contains("--replace"))
        #expect(try fixture.objectNames() == objects)
        #expect(try Files.names(in: "\(fixture.top)/repository/incoming") == [])

        let second = try fixture.publish(replacing: true)
        #expect(second.manifest != first.manifest && !second.wasThere)
        let row = try fixture.repository.manifest(of: fixture.item()).rows[0]
        #expect(try Files.read(fixture.path(of: row.digest)) == "2")
        #expect(try Files.names(in: "\(fixture.top)/repository/index/tools") == ["1.0"])
        #expect(try fixture.publish(replacing: true).wasThere)
    }

    @Test func aWithdrawnVersionIsGoneAndMayComeBack() async throws {
        let fixture = try await Fixture()
        try fixture.write("a", "1")
        try fixture.publish()
        try fixture.repository.withdraw(fixture.item())
        #expect(try fixture.repository.versions().isEmpty)
        #expect(try failure { try fixture.repository.withdraw(fixture.item()) }.code == .notFound)
        #expect(try failure { _ = try fixture.repository.manifest(of: fixture.item()) }.code == .notFound)
        let again = try fixture.publish()
        #expect(!again.wasThere && again.newFiles == 0)
    }

    @Test func publicationsAtOnceShareObjects() async throws {
        let fixture = try await Fixture()
        for number in 0..<200 { try fixture.write("\(number % 10)/\(number)", "content \(number % 50)") }
        let published = try await withThrowingTaskGroup(of: PublishedVersion.self) { group in
            for number in 0..<6 {
                group.addTask {
                    // A repository object each, as processes have.
                    let repository = try Repository(path: "\(fixture.top)/repository", owner: fixture.owner)
                    return try repository.publish(SourceTree(path: fixture.source), as: fixture.item("\(number)"))
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(published.map(\.manifest)).count == 1)
        #expect(published.map(\.newFiles).reduce(0, +) == 50)
        #expect(try fixture.objectNames().count == 51)
        #expect(try Files.names(in: "\(fixture.top)/repository/incoming") == [])
        #expect(try fixture.repository.verify(VerifyOptions()) { _ in true }.isClean)
    }

    @Test func theOperatorMayStopIt() async throws {
        let fixture = try await Fixture()
        for number in 0..<50 { try fixture.write("\(number)", "content \(number)") }
        let tree = try SourceTree(path: fixture.source)
        var reports = 0
        let published = try fixture.repository.publish(tree, as: fixture.item()) { progress in
            reports += 1
            #expect(progress.totalFiles == 50 && progress.totalBytes == tree.size)
            return false
        }
        #expect(published == nil && reports == 1)
        try fixture.expectUntouched()
        try fixture.publish()
    }

    @Test func progressEndsWithEverythingDone() async throws {
        let fixture = try await Fixture()
        for number in 0..<50 { try fixture.write("\(number)", String(repeating: "x", count: number)) }
        var last: PublishProgress?
        let published = try fixture.repository.publish(SourceTree(path: fixture.source), as: fixture.item()) {
            #expect($0.bytes >= last?.bytes ?? 0)
            last = $0
            return true
        }
        #expect(last?.bytes == published?.bytes && last?.files == 50 && last?.totalFiles == 50)
    }
}
