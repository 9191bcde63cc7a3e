import FFSModel
import Requests
import StoredFormats
import SystemSupport
import TestSupport
import Testing

@testable import StagingService

/// One account's business does not wait for another's size.
@Suite struct GrowthTests {
    @Test func expiryDoesNotWaitForReaping() async throws {
        let fixture = try StagingFixture()
        fixture.settings.reapRate = 30
        try fixture.restart()
        try fixture.publish(Dictionary(uniqueKeysWithValues: (0..<300).map { ("f\($0)", "\($0)") }))
        try fixture.publish(["a": "1"], as: StagingFixture.item("small"))
        let large = try await fixture.create().account
        let small = try await fixture.create([StagingFixture.item("small")], lifetime: 60).account
        try await fixture.engine.revoke(large, policy: nil)
        fixture.clock.pass(60)
        #expect(try await fixture.eventually { try fixture.accounts().isEmpty })
        // Ten seconds of work, which has begun.
        #expect(Files.exists(fixture.area(".withdrawn/\(large)/root/tool-1.0")))
        #expect(Files.exists(fixture.area(".withdrawn/\(small)/record")))
    }

    @Test func reapingIsLinearInSubfolders() throws {
        let directory = try TemporaryDirectory("reap")
        let parent = try Descriptor.open(CPath(directory.path), [.read, .directory])
        func seconds(_ folders: Int) throws -> Double {
            try Files.makeDirectory(directory("tree"))
            let top = try parent.open("tree", [.read, .directory])
            for number in 0..<folders {
                try top.makeDirectory(CPath("\(number)"), permissions: 0o755)
                try top.open(CPath("\(number)/f"), [.write, .create], permissions: 0o444).close()
            }
            let start = SystemClock.monotonic()
            try TreeReaper(rate: 10_000_000).remove("tree", from: parent) { false }
            #expect(try parent.statusIfPresent(of: "tree") == nil)
            return Double(SystemClock.monotonic() - start) / 1e9
        }
        let few = try seconds(200)
        // Sixteen times as many took 200 times as long when a folder was read again for each of its folders.
        #expect(try seconds(3_200) < 60 * max(few, 0.005))
    }

    @Test func deepAndWideTreesGo() throws {
        let directory = try TemporaryDirectory("reap")
        let parent = try Descriptor.open(CPath(directory.path), [.read, .directory])
        try Files.makeDirectory(directory("tree"))
        var folder = try parent.open("tree", [.read, .directory])
        for level in 0..<400 {
            try folder.writeFile("file", [1], permissions: 0o444, durable: false)
            try folder.makeDirectory("side", permissions: 0o755)
            try folder.makeDirectory(CPath("d\(level)"), permissions: 0o755)
            folder = try folder.open(CPath("d\(level)"), [.read, .directory])
        }
        try TreeReaper(rate: 10_000_000).remove("tree", from: parent) { false }
        #expect(try Files.names(in: directory.path).isEmpty)
    }

    /// A version that takes long to read is read elsewhere; what is asked about its account needs its beginning alone.
    @Test func largeVersionsAreReadBesideSmallAccounts() async throws {
        let fixture = try StagingFixture()
        let large = StagingFixture.item("large")
        // Long names make the manifest long, and few files make the test short.
        let name = String(repeating: "n", count: 230)
        try fixture.publish(
            Dictionary(uniqueKeysWithValues: (0..<1_000).map { ("\(name)-\($0)", "\($0 % 50)") }), as: large)
        try fixture.publish(["a": "1"])
        let id = RequestID.random()
        let account = try await fixture.create([large], id: id)
        try fixture.restart()
        let engine = fixture.engine
        // Somebody else's plan keeps the loader busy.
        let gate = Monitor(false)
        try engine.loading.urgent { gate.wait { $0 ? () : nil } }
        let second = Task { try await engine.create(StagingFixture.request([large]), id: .random()) }
        #expect(try await fixture.create().fileCount == 1)
        // The reply is the first one's, file for file, and no plan was read for it.
        #expect(try await engine.status(account.account).files == account.files)
        #expect(try await engine.extend(account.account, lifetime: 60).files == account.files)
        let again = try await engine.create(StagingFixture.request([large]), id: id)
        #expect(again.files == account.files && again.password == account.password)
        #expect(engine.plans.count == 1)
        gate.withLock(wake: .all) { $0 = true }
        #expect(try await second.value.fileCount == 1_000)
        #expect(engine.plans.count == 2)
    }

    @Test func theOrderOfManyAccountsIsKept() throws {
        var places: [NewestFirst.Place] = []
        var list = NewestFirst()
        var seed: UInt64 = 7
        func random(_ bound: UInt64) -> UInt64 {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (seed >> 33) % bound
        }
        for _ in 0..<5_000 {
            let text = String((0..<16).map { _ in Character(UnicodeScalar(UInt8(ascii: "a") + UInt8(random(26)))) })
            let place = NewestFirst.Place(created: Int64(random(900)), key: AccountKey(try AccountID(text)))
            list.insert(place)
            places.append(place)
        }
        for _ in 0..<3_000 {
            let place = places.remove(at: Int(random(UInt64(places.count))))
            list.remove(place)
            // What is not there is not removed.
            list.remove(place)
        }
        places.sort(by: >)
        #expect(list.count == 2_000)
        for limit in [1, 7, 500, 5_000] {
            var all: [NewestFirst.Place] = []
            while case let page = list.page(after: all.last, limit: limit), !page.isEmpty { all += page }
            #expect(all == places, "\(limit)")
        }
    }
}
