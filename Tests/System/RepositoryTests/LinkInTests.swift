import FFSModel
import Glibc
import Repository
import StoredFormats
import SystemSupport
import TestSupport
import Testing

/// `--link`: the source's own inodes become objects.
@Suite struct LinkInTests {
    @Test func theSourcesInodeBecomesTheObject() async throws {
        let fixture = try await Fixture()
        try fixture.write("a", "first")
        try fixture.write("sub/b", "second")
        try Files.setMode(0o640, of: "\(fixture.source)/a")
        try fixture.publish(method: .link)
        for index in 0..<2 {
            let file = try fixture.repository.manifest(of: fixture.item()).file(at: index)
            let (source, object) = ("\(fixture.source)/\(file.path)", fixture.path(of: file.digest))
            #expect(try Files.inode(source) == Files.inode(object))
            #expect(try await fixture.sha256sum(object) == file.digest.description)
            let status = try Descriptor.open(CPath(object), .read).status()
            #expect(status.permissions == 0o444 && status.links == 2)
            if let owner = fixture.owner { #expect(status.user == owner.user && status.group == owner.group) }
        }
        #expect(try Files.names(in: "\(fixture.top)/repository/incoming") == [])
        // Once more, now that source and object are one.
        let again = try fixture.publish(method: .link)
        #expect(again.wasThere && again.newFiles == 0)
        #expect(try fixture.repository.verify(VerifyOptions()) { _ in true }.isClean)
    }

    @Test func severalNamesOfOneFileAreNoChange() async throws {
        let fixture = try await Fixture()
        for number in 0..<20 {
            try fixture.write("\(number)", "content \(number / 2)")
            link("\(fixture.source)/\(number)", "\(fixture.source)/also \(number)")
        }
        let published = try fixture.publish(method: .link)
        #expect(published.fileCount == 40 && published.newFiles == 10)
    }

    /// Its other name may be a private key's, which would be everybody's to read.
    @Test func aFileWithANameElsewhereIsNotTaken() async throws {
        let fixture = try await Fixture()
        try fixture.write("a", "mine")
        try fixture.write("twin", "both")
        #expect(link("\(fixture.source)/twin", "\(fixture.source)/also twin") == 0)
        let key = "\(fixture.top)/id_ed25519"
        try Files.write("secret", to: key)
        try Files.setMode(0o600, of: key)
        #expect(link(key, "\(fixture.source)/b") == 0)
        let refused = try failure { try fixture.publish(method: .link) }
        #expect(refused.code == .badRequest && refused.text.contains("b cannot be linked in: the file has other names"))
        try fixture.expectUntouched()
        #expect(try Files.mode(key) == 0o600 && Files.links(key) == 2)
        // Copied it can be, as the operator may read it; and without it the rest is taken.
        #expect(try fixture.publish("copied").newFiles == 3)
        #expect(try Files.mode(key) == 0o600)
        #expect(unlink("\(fixture.source)/b") == 0)
        try fixture.publish(method: .link)
    }

    @Test func filesThatOthersMayNotReadAreCounted() async throws {
        let fixture = try await Fixture()
        try fixture.write("open", "1")
        #expect(try SourceTree(path: fixture.source).privateFiles == nil)
        try fixture.write("sub/closed", "2")
        try Files.setMode(0o640, of: "\(fixture.source)/sub/closed")
        let found = try #require(try SourceTree(path: fixture.source).privateFiles)
        #expect(found.count == 1 && found.example == "sub/closed")
    }

    @Test func aFileWhoseContentIsThereStaysTheOperators() async throws {
        let fixture = try await Fixture()
        try fixture.write("a", "same")
        try fixture.publish()
        try Files.setMode(0o600, of: "\(fixture.source)/a")
        try fixture.publish("2.0", method: .link)
        #expect(try Files.mode("\(fixture.source)/a") == 0o600)
        #expect(try Files.links("\(fixture.source)/a") == 1)
    }

    @Test func aFileThatSomeoneWritesIsNotTaken() async throws {
        let fixture = try await Fixture()
        try fixture.write("a", "first")
        try Files.setMode(0o640, of: "\(fixture.source)/a")
        let writer = try Descriptor.open(CPath("\(fixture.source)/a"), .write)
        let busy = try failure { try fixture.publish(method: .link) }
        #expect(busy.code == .badRequest && busy.text.contains("a cannot be linked in: a program has it open"))
        try fixture.expectUntouched()
        #expect(try Files.mode("\(fixture.source)/a") == 0o640)
        try writer.close()
        try fixture.publish(method: .link)
    }

    @Test(.enabled(if: Fixture.isRoot, "needs mount(2)")) func anotherFileSystemIsSaid() async throws {
        let fixture = try await Fixture(mountOptions: "size=16m")
        let other = try TemporaryDirectory("source")
        try Files.write("1", to: other("a"))
        let refused = try failure { try fixture.publish(from: other.path, method: .link) }
        #expect(refused.code == .badRequest && refused.text.contains("two file systems"))
        #expect(refused.text.contains("without --link"))
        try fixture.expectUntouched()
        #expect(try Files.mode(other("a")) & 0o444 != 0 && Files.links(other("a")) == 1)
    }
}
