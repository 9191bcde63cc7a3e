import FFSModel
import Repository
import Requests
import StagingService
import StoredFormats
import SystemSupport
import TestSupport
import Testing

@Suite struct LinkLimitTests {
    private func replicas(_ fixture: StagingFixture) throws -> [String] {
        let digest = try fixture.repository.manifest(of: StagingFixture.item()).rows[0].digest
        return try Files.below("\(fixture.settings.repository)/objects/\("\(digest)".prefix(2))")
            .filter { $0.contains("\(digest)") }
    }

    @Test func rollsOverToReplicasAtTheCeiling() async throws {
        let fixture = try StagingFixture(linkCeiling: 5)
        try fixture.publish(["a": "shared"])
        for _ in 0..<10 { _ = try await fixture.create() }
        let inodes = try replicas(fixture)
        // Each inode has its own name and four accounts.
        #expect(inodes.count == 3)
        #expect(try inodes.map { try Files.links($0) }.sorted() == [3, 5, 5])
        for inode in inodes {
            #expect(try Files.read(inode) == "shared")
            #expect(try Files.mode(inode) == 0o444)
        }
        for account in try fixture.accounts() {
            #expect(try Files.read(fixture.area("\(account)/root/tool-1.0/a")) == "shared")
        }
    }

    @Test func roomThatAccountsLeaveIsUsedAgain() async throws {
        let fixture = try StagingFixture(linkCeiling: 5)
        try fixture.publish(["a": "shared"])
        var first: [StagedAccount] = []
        for _ in 0..<4 { first.append(try await fixture.create()) }
        for account in first { try await fixture.engine.revoke(account.account, policy: nil) }
        #expect(
            try await fixture.eventually { try replicas(fixture).map { try Files.links($0) } == [1] })
        for _ in 0..<4 { _ = try await fixture.create() }
        #expect(try replicas(fixture).count == 1)
    }

    @Test func goesOnAfterARestart() async throws {
        let fixture = try StagingFixture(linkCeiling: 4)
        try fixture.publish(["a": "shared"])
        for _ in 0..<5 { _ = try await fixture.create() }
        try fixture.restart()
        for _ in 0..<5 { _ = try await fixture.create() }
        let links = try replicas(fixture).map { try Files.links($0) }
        #expect(links.reduce(0, +) == 10 + links.count)
        #expect(links.allSatisfy { $0 <= 4 } && links.count == 4)
    }

    @Test func oneAccountMayLinkOneObjectManyTimes() async throws {
        let fixture = try StagingFixture(linkCeiling: 10)
        try fixture.publish(Dictionary(uniqueKeysWithValues: (0..<100).map { ("f\($0)", "same") }))
        let account = try await fixture.create()
        #expect(account.fileCount == 100)
        #expect(try replicas(fixture).count == 12)
    }

    /// The file system's own limit, which nothing tells in advance: 65,000 on ext4.
    @Test func noticesTheFileSystemsLimit() async throws {
        let fixture = try StagingFixture(linkCeiling: 2_000_000_000)
        let kind = try Descriptor.open(CPath(fixture.settings.accounts), .directory).space().typeName
        guard kind == "ext4" else { return }
        try fixture.publish(["a": "shared"])
        let object = try #require(try replicas(fixture).first)
        let folder = try Descriptor.open(CPath(fixture.directory.path), [.read, .directory])
        let source = try Descriptor.open(CPath(object), .read)
        for number in 0..<64_990 { try folder.link(openFile: source, as: CPath("link\(number)")) }
        for _ in 0..<15 { _ = try await fixture.create() }
        #expect(try replicas(fixture).map { try Files.links($0) }.sorted() == [7, 65_000])
    }
}
