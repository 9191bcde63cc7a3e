import FFSModel
import Glibc
import Repository
import StoredFormats
import SystemSupport
import TestSupport
import Testing

/// Whatever goes wrong, nothing becomes visible and nothing is left behind.
@Suite struct FailureTests {
    @Test func aFileThatChangedSinceItWasSeenStopsIt() async throws {
        let fixture = try await Fixture()
        try fixture.write("a", "1")
        try fixture.write("sub/b", "2")
        let changes: [(name: String, change: (String) throws -> Void)] = [
            ("grown", { try Files.write("22", to: $0) }),
            ("same size", { try Files.write("3", to: $0) }),
            (
                "another file",
                {
                    try Files.write("2", to: $0 + ".new"); rename($0 + ".new", $0)
                }
            ),
            ("mode", { try Files.setMode(0o755, of: $0) }),
        ]
        for (name, change) in changes {
            let tree = try SourceTree(path: fixture.source)
            try change("\(fixture.source)/sub/b")
            let changed = try failure { _ = try fixture.repository.publish(tree, as: fixture.item()) }
            #expect(changed.code == .badRequest, "\(name): \(changed)")
            #expect(changed.text.contains("sub/b changed while"), "\(name): \(changed)")
            try fixture.expectUntouched()
        }
        try fixture.publish()
    }

    @Test func aFileThatWentOrCameStopsIt() async throws {
        let fixture = try await Fixture()
        try fixture.write("a", "1")
        try fixture.write("sub/b", "2")
        var tree = try SourceTree(path: fixture.source)
        unlink("\(fixture.source)/sub/b")
        let gone = try failure { _ = try fixture.repository.publish(tree, as: fixture.item()) }
        #expect(gone.code == .notFound && gone.text.contains("sub/b"))
        try fixture.expectUntouched()

        try fixture.write("sub/b", "2")
        tree = try SourceTree(path: fixture.source)
        try fixture.write("sub/c", "3")
        let come = try failure { _ = try fixture.repository.publish(tree, as: fixture.item()) }
        #expect(come.code == .badRequest && come.text.contains("the folder sub changed"))
        try fixture.expectUntouched()
    }

    @Test func aFileThatBecameALinkIsNotFollowed() async throws {
        let fixture = try await Fixture()
        try fixture.write("sub/b", "2")
        let tree = try SourceTree(path: fixture.source)
        rename("\(fixture.source)/sub", "\(fixture.source)/moved")
        _ = symlink("moved", "\(fixture.source)/sub")
        let refused = try failure { _ = try fixture.repository.publish(tree, as: fixture.item()) }
        #expect(refused.text.contains("sub/b") && refused.text.contains("symbolic link"))
        try fixture.expectUntouched()
    }

    @Test func aFileThatKeepsGrowingIsNeverHalfPublished() async throws {
        let fixture = try await Fixture()
        try fixture.write("log", [UInt8](repeating: 1, count: 30 << 20))
        let stop = Monitor(false)
        let path = CPath("\(fixture.source)/log")
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                let file = try Descriptor.open(path, [.write, .append])
                while !stop.withLock({ $0 }) { try file.write([2]) }
            }
            defer { stop.withLock { $0 = true } }
            try await eventually("the writer writes") { try Files.size("\(fixture.source)/log") > 30 << 20 }
            for _ in 0..<3 {
                let changed = try failure { try fixture.publish() }
                #expect(changed.code == .badRequest && changed.text.contains("log changed while"))
            }
        }
        try fixture.expectUntouched()
    }

    @Test(.enabled(if: Fixture.isRoot, "needs mount(2)")) func aFullDiskLeavesNothingBehind() async throws {
        let fixture = try await Fixture(mountOptions: "size=16m")
        try fixture.write("small", "1")
        let other = try TemporaryDirectory("source")
        try Files.write([UInt8](repeating: 7, count: 3 << 20), to: other("a"))
        try await command("truncate", "-s", "1G", other("z")).succeeded()
        let file = try Descriptor.open(CPath(other("z")), .write)
        try [UInt8](repeating: 9, count: 20 << 20).withUnsafeBytes { try file.write($0, at: 1 << 20) }

        let space = try fixture.repository.root.space().freeBytes
        let full = try failure { try fixture.publish(from: other.path) }
        #expect(full.code == .noSpace && full.text.contains("no bytes or no inodes left"), "\(full)")
        try fixture.expectUntouched()
        // A child that another test has forked may hold the removed file until its exec.
        try await eventually("the space is free again") { try fixture.repository.root.space().freeBytes == space }
        // What fits goes on to work, and holes cost nothing.
        try fixture.publish()
        unlink(other("z"))
        try await command("truncate", "-s", "1G", other("z")).succeeded()
        try fixture.publish("2.0", from: other.path)
    }

    @Test(.enabled(if: Fixture.isRoot, "needs mount(2)")) func noInodesLeavesNothingBehind() async throws {
        // The repository itself needs some 260, the source 101.
        let fixture = try await Fixture(mountOptions: "size=64m,nr_inodes=450")
        for number in 0..<100 { try fixture.write("\(number)", "content \(number)") }
        try Files.write("x", to: "\(fixture.top)/ballast")
        let free = try fixture.repository.root.space().freeInodes
        let full = try failure { try fixture.publish() }
        #expect(full.code == .noSpace, "\(full)")
        try fixture.expectUntouched()
        try await eventually("the inodes are free again") { try fixture.repository.root.space().freeInodes == free }
    }

    @Test(.enabled(if: Fixture.isRoot, "needs mount(2)")) func aFullDiskStillTakesWhatItHolds() async throws {
        let fixture = try await Fixture(mountOptions: "size=15872k")
        let other = try TemporaryDirectory("source")
        for number in 0..<15 {
            try Files.write([UInt8](repeating: UInt8(number), count: 1 << 20), to: other("\(number)"))
        }
        let first = try fixture.publish(from: other.path)
        // One more MiB would not fit: what is there is only read.
        let again = try fixture.publish(from: other.path)
        #expect(again.wasThere && again.manifest == first.manifest)
    }

    @Test func whatAKilledProcessLeftIsSweptAndTheLivingAreSpared() async throws {
        let fixture = try await Fixture()
        try fixture.write("a", "1")
        let incoming = "\(fixture.top)/repository/incoming"
        try Files.makeDirectory("\(incoming)/put-dead")
        try Files.write("half a fi", to: "\(incoming)/put-dead/1")
        let living = try IncomingSession(in: fixture.repository)
        let digest = try living.put(Array("living".utf8), modified: SystemClock.now())
        #expect(try Files.names(in: incoming).count == 1)
        try fixture.publish()
        #expect(try Files.names(in: incoming).count == 1)
        try living.commit()
        #expect(try Files.read(fixture.path(of: digest)) == "living")
    }

    @Test func aSessionThatFailedGoesOn() async throws {
        let fixture = try await Fixture()
        let session = try IncomingSession(in: fixture.repository)
        try fixture.write("short", "1")
        let source = try Descriptor.open(CPath("\(fixture.source)/short"), .read)
        for size in [2, 5 << 20] {
            let digest = try session.put(
                copying: source, size: size, isSparse: false, modified: SystemClock.now(), progress: { _ in })
            #expect(digest == nil, "the source is shorter than it was said to be")
        }
        let digest = try session.put(
            copying: source, size: 1, isSparse: false, modified: Timestamp(seconds: 1_000), progress: { _ in })
        try session.commit()
        #expect(try fixture.objectNames() == [try #require(digest).description])
        #expect(try fixture.repository.status(of: #require(digest))?.modified == 1_000_000_000_000)
    }

    @Test func anObjectOfTheWrongSizeMakesWay() async throws {
        let fixture = try await Fixture()
        try fixture.write("a", "content")
        try fixture.publish()
        let digest = try fixture.repository.manifest(of: fixture.item()).rows[0].digest
        let path = fixture.path(of: digest)
        try Files.setMode(0o644, of: path)
        try Files.write("cont", to: path)
        let again = try fixture.publish()
        #expect(again.wasThere && again.newFiles == 1)
        #expect(try Files.read(path) == "content")
        #expect(try Files.mode(path) == 0o444)
    }
}
