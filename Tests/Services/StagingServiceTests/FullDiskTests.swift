import DaemonKit
import FFSModel
import Glibc
import Repository
import Requests
import StagingService
import StoredFormats
import SystemSupport
import TestSupport
import Testing

/// Small file systems of their own; only root can mount them, so these tests need root.
@Suite(.enabled(if: SystemUser.isRoot)) struct FullDiskTests {
    /// A tmpfs that is unmounted with the last reference.
    final class Mount: Sendable {
        let directory: TemporaryDirectory

        init(_ options: String) async throws {
            directory = try TemporaryDirectory("disk")
            try Files.makeDirectory(directory("fs"))
            try await command(["mount", "-t", "tmpfs", "-o", options, "tmpfs", directory("fs")]).succeeded()
        }

        deinit { umount2(directory("fs"), Int32(MNT_DETACH)) }
        var path: String { directory("fs") }
    }

    @Test func noInodesLeaveNothingHalf() async throws {
        let mount = try await Mount("size=64m,nr_inodes=2000")
        let fixture = try StagingFixture(in: mount.path)
        try fixture.publish(Dictionary(uniqueKeysWithValues: (0..<100).map { ("d\($0)/f", "\($0)") }))
        var made = 0
        var failure: Failure?
        while failure == nil, made < 100 {
            do {
                _ = try await fixture.create()
                made += 1
            } catch { failure = error as? Failure }
        }
        #expect(failure?.code == .noSpace && failure?.text.contains("inodes") == true)
        #expect(made > 0)
        #expect(try await fixture.eventually { try Files.names(in: fixture.area(".withdrawn")).isEmpty })
        #expect(try Files.names(in: fixture.area(".building")).isEmpty)
        #expect(try fixture.accounts().count == made)
        #expect(try Reconciler(path: fixture.settings.accounts).findings().isEmpty)
        // Room again: it goes on.
        let first = try #require(try fixture.accounts().first)
        try await fixture.engine.revoke(try AccountID(first), policy: nil)
        #expect(try await fixture.eventually { !Files.exists(fixture.area(".withdrawn/\(first)/root")) })
        _ = try await fixture.create()
    }

    @Test func aFullDiskLeavesNoHalfVersion() async throws {
        let mount = try await Mount("size=8m")
        let fixture = try StagingFixture(in: mount.path)
        let source = fixture.directory("source")
        try Files.write([UInt8](repeating: 7, count: 5 << 20), to: "\(source)/a")
        try Files.write([UInt8](repeating: 8, count: 5 << 20), to: "\(source)/b")
        let sessions = try Files.names(in: "\(mount.path)/repository/incoming")
        let error = #expect(throws: Failure.self) {
            try fixture.repository.publish(try SourceTree(path: source), as: StagingFixture.item())
        }
        #expect(error?.code == .noSpace)
        #expect(try fixture.repository.versions().isEmpty)
        #expect(try Files.below("\(mount.path)/repository/objects").isEmpty)
        #expect(try Files.names(in: "\(mount.path)/repository/incoming") == sessions, "only the engine's own are left")
        #expect(unlink("\(source)/b") == 0)
        _ = try fixture.repository.publish(try SourceTree(path: source), as: StagingFixture.item())
        _ = try await fixture.create()
    }

    @Test func twoFileSystemsAreFoundAtStart() async throws {
        let mount = try await Mount("size=8m")
        let fixture = try StagingFixture()
        var settings = fixture.settings
        settings.accounts = mount.path
        try Files.setMode(0o755, of: mount.path)
        let text = StartupChecks.run(settings, reader: "nobody").map(\.text).joined()
        #expect(text.contains("two file systems") && text.contains("EXDEV"))
    }

    @Test func twoMountsOfOneFileSystemAreFoundAtStart() async throws {
        let fixture = try StagingFixture()
        let place = fixture.directory("bound")
        try Files.makeDirectory(place)
        try await command(["mount", "--bind", fixture.settings.accounts, place]).succeeded()
        defer { umount2(place, Int32(MNT_DETACH)) }
        var settings = fixture.settings
        settings.accounts = place
        #expect(StartupChecks.run(settings, reader: "nobody").contains { $0.text.contains("two mounts") })
    }

    @Test func fewInodesAndNoInodesAreFoundAtStart() async throws {
        let mount = try await Mount("size=8m,nr_inodes=600")
        let fixture = try StagingFixture(in: mount.path)
        #expect(
            StartupChecks.run(fixture.settings, reader: "nobody").contains {
                $0.severity == .warning && $0.text.contains("free inodes")
            })
        for number in 0..<1_000 {
            guard (try? Files.write("", to: "\(mount.path)/filler\(number)")) != nil else { break }
        }
        #expect(
            StartupChecks.run(fixture.settings, reader: "nobody").contains {
                $0.severity == .error && $0.text.contains("no free inodes")
            })
    }

    @Test func modesAndOwnersAreFoundAtStart() throws {
        let fixture = try StagingFixture()
        #expect(!StartupChecks.run(fixture.settings, reader: "nobody").contains { $0.severity == .error })
        try Files.setMode(0o777, of: fixture.settings.accounts)
        #expect(StartupChecks.run(fixture.settings, reader: "nobody").contains { $0.text.contains("chmod go-w") })
        try Files.setMode(0o755, of: fixture.settings.accounts)
        #expect(chown(fixture.settings.repository, 12_345, 12_345) == 0)
        #expect(
            StartupChecks.run(fixture.settings, reader: "nobody").contains { $0.text.contains("belongs to user 12345") }
        )
        var settings = fixture.settings
        settings.repository = "/nonexistent"
        #expect(StartupChecks.run(settings, reader: "nobody").contains { $0.text.contains("No such file") })
    }
}
