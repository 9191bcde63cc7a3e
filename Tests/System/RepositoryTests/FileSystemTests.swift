import FFSModel
import Glibc
import Repository
import StoredFormats
import SystemSupport
import TestSupport
import Testing

/// The same on each file system that FFS is for, as far as this machine can make and mount it.
@Suite(.enabled(if: Fixture.isRoot, "needs mount(2)"))
struct FileSystemTests {
    /// Those with a mkfs program and a kernel that knows them.
    static let available: [String] = {
        let known = (try? Files.read("/proc/filesystems")) ?? ""
        return ["ext4", "xfs", "btrfs"].filter { type in
            known.contains("\t\(type)\n") && ["/sbin", "/usr/sbin"].contains { Files.exists("\($0)/mkfs.\(type)") }
        }
    }()

    @Test(arguments: available) func publishesVerifiesAndReplicates(type: String) async throws {
        let fixture = try await Fixture(fileSystem: type)
        for number in 0..<50 { try fixture.write("\(number % 5)/\(number)", "content \(number)") }
        try fixture.write("empty", "")
        try await command("truncate", "-s", "1G", "\(fixture.source)/sparse").succeeded()
        try fixture.publish()
        try fixture.publish("2.0", method: .link)
        let digest = try fixture.repository.manifest(of: fixture.item()).rows[0].digest
        try IncomingSession(in: fixture.repository).replicate(digest, number: 1)
        unlink("\(fixture.source)/sparse")
        let report = try fixture.repository.verify(VerifyOptions()) { _ in true }
        #expect(report.isClean && report.isComplete && report.objects == 54)
        #expect(try Files.names(in: "\(fixture.top)/repository/incoming") == [])
    }

    @Test(arguments: available.filter { $0 != "ext4" }) func copiesShareTheirBlocks(type: String) async throws {
        let fixture = try await Fixture(fileSystem: type)
        // Twice this, let alone three times, is more than the file system holds.
        let size = 220 << 20
        try await command("sh", "-c", "head -c \(size) /dev/urandom > \(fixture.source)/large").succeeded()
        try fixture.publish()
        let digest = try fixture.repository.manifest(of: fixture.item()).rows[0].digest
        try IncomingSession(in: fixture.repository).replicate(digest, number: 1)
        let inodes = try [fixture.path(of: digest), fixture.path(of: digest) + ".1", "\(fixture.source)/large"]
            .map(Files.inode)
        #expect(Set(inodes).count == 3)
        #expect(try await fixture.sha256sum(fixture.path(of: digest)) == digest.description)
        // Whoever writes to the source now writes to the source alone.
        let source = try Descriptor.open(CPath("\(fixture.source)/large"), .write)
        try [UInt8](repeating: 0, count: 4096).withUnsafeBytes { try source.write($0, at: 0) }
        #expect(try await fixture.sha256sum(fixture.path(of: digest)) == digest.description)
    }

    @Test(arguments: available) func aFullOneLeavesNothingBehind(type: String) async throws {
        let fixture = try await Fixture(fileSystem: type)
        let other = try TemporaryDirectory("source")
        try await command("sh", "-c", "head -c 500M /dev/zero | tr '\\0' x > \(other("large"))").succeeded()
        try Files.write("small", to: other("small"))
        let full = try failure { try fixture.publish(from: other.path) }
        #expect(full.code == .noSpace, "\(full)")
        try fixture.expectUntouched()
    }
}
