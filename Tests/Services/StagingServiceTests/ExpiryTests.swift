import FFSModel
import Glibc
import Requests
import StagingService
import StoredFormats
import SystemSupport
import TestSupport
import Testing

@Suite struct ExpiryTests {
    private func code(_ body: () async throws -> Void) async -> FailureCode? {
        do {
            try await body()
            return nil
        } catch { return (error as? Failure)?.code }
    }

    @Test func anAccountEndsWhenItsTimeComes() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1"])
        let id = RequestID.random()
        let first = try await fixture.create(id: id, lifetime: 60)
        let (account, password) = (first.account, first.password)
        fixture.clock.pass(59)
        _ = try await fixture.engine.status(account)
        fixture.clock.pass(1)
        // From the second on, whether or not the keeper has been there yet.
        #expect(await code { _ = try await fixture.engine.status(account) } == .gone)
        #expect(try await fixture.eventually { try fixture.accounts().isEmpty })
        #expect(try await fixture.eventually { !Files.exists(fixture.area(".withdrawn/\(account)/root")) })
        #expect(try fixture.record(account, in: ".withdrawn/").withdrawn == nil)
        // A repeat of its request gets no second account, now and after a restart.
        #expect(await code { _ = try await fixture.create(id: id) } == .gone)
        try fixture.restart()
        #expect(await code { _ = try await fixture.create(id: id) } == .gone)
        #expect(await code { _ = try await fixture.engine.extend(account, lifetime: 60) } == .gone)
        #expect(await code { try await fixture.engine.revoke(account, policy: nil) } == .gone)
        // Until it is forgotten.
        fixture.clock.pass(Int64(fixture.settings.remember) + 1)
        #expect(try await fixture.eventually { try Files.names(in: fixture.area(".withdrawn")).isEmpty })
        #expect(await code { _ = try await fixture.engine.status(account) } == .notFound)
        // What the request makes then has the name, as it follows from the id, and not the password.
        let anew = try await fixture.create(id: id)
        #expect(anew.account == account && anew.password != nil && anew.password != password)
    }

    @Test func aDownloadUnderWayKeepsItsFile() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "still here"])
        let account = try await fixture.create(lifetime: 60).account
        let open = try Descriptor.open(CPath(fixture.area("\(account)/root/tool-1.0/a")), .read)
        fixture.clock.pass(60)
        #expect(try await fixture.eventually { !Files.exists(fixture.area(".withdrawn/\(account)/root")) })
        #expect(try open.readAll(limit: 100) == Array("still here".utf8))
    }

    @Test func graceKeepsTheTreeAWhile() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1"])
        let account = try await fixture.create(lifetime: 60, policy: .grace(seconds: 600)).account
        fixture.clock.pass(60)
        #expect(try await fixture.eventually { try fixture.accounts().isEmpty })
        let file = fixture.area(".withdrawn/\(account)/root/tool-1.0/a")
        try await Task.sleep(for: .milliseconds(600))
        #expect(Files.exists(file))
        try fixture.restart()
        try await Task.sleep(for: .milliseconds(600))
        #expect(Files.exists(file), "also after a restart")
        fixture.clock.pass(600)
        #expect(try await fixture.eventually { !Files.exists(file) })
    }

    @Test func revocationTellsWhenAndHow() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1"])
        let account = try await fixture.create(policy: .grace(seconds: 600)).account
        fixture.clock.pass(5)
        try await fixture.engine.revoke(account, policy: .cut)
        #expect(try fixture.accounts().isEmpty, "at once, not when the keeper comes by")
        let record = try fixture.record(account, in: ".withdrawn/")
        #expect(record.withdrawn == fixture.clock.clock.now() && record.policy == .cut)
        #expect(try await fixture.eventually { !Files.exists(fixture.area(".withdrawn/\(account)/root")) })
        #expect(await code { try await fixture.engine.revoke(account, policy: nil) } == .gone)
        #expect(await code { try await fixture.engine.revoke(AccountID("aaaaaaaaaaaaaaaa"), policy: nil) } == .notFound)
    }

    @Test func extensionMovesTheEnd() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1"])
        let account = try await fixture.create(lifetime: 60)
        fixture.clock.pass(30)
        let extended = try await fixture.engine.extend(account.account, lifetime: 3_600)
        #expect(extended.expires == account.expires + 3_570 && extended.password == nil)
        try fixture.restart()
        fixture.clock.pass(3_599)
        try await Task.sleep(for: .milliseconds(600))
        #expect(try await fixture.engine.status(account.account).expires == extended.expires)
        // And nearer.
        _ = try await fixture.engine.extend(account.account, lifetime: 10)
        fixture.clock.pass(10)
        #expect(try await fixture.eventually { try fixture.accounts().isEmpty })
    }

    @Test func clockStepsAreLoggedAndReviveNothing() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1"])
        let account = try await fixture.create(lifetime: 600).account
        let other = try await fixture.create(lifetime: 60).account
        fixture.clock.step(100)
        #expect(
            try await fixture.eventually { fixture.log.contains("warning the system clock was set forward by 100 s") })
        #expect(try await fixture.eventually { try fixture.accounts() == [account.text] })
        fixture.clock.step(-3_600)
        #expect(
            try await fixture.eventually { fixture.log.contains("warning the system clock was set back by 3600 s") })
        #expect(await code { _ = try await fixture.engine.status(other) } == .gone)
        #expect(try fixture.accounts() == [account.text])
        try fixture.restart()
        #expect(await code { _ = try await fixture.engine.status(other) } == .gone)
    }

    @Test func theReaperKeepsToItsRate() async throws {
        let fixture = try StagingFixture()
        fixture.settings.reapRate = 400
        try fixture.restart()
        try fixture.publish(Dictionary(uniqueKeysWithValues: (0..<400).map { ("d\($0 % 7)/f\($0)", "\($0)") }))
        let account = try await fixture.create().account
        let start = SystemClock.monotonic()
        try await fixture.engine.revoke(account, policy: nil)
        #expect(try await fixture.eventually { !Files.exists(fixture.area(".withdrawn/\(account)/root")) })
        #expect(SystemClock.monotonic() - start > 800_000_000)
        // The objects are untouched.
        #expect(try await fixture.create().fileCount == 400)
    }

    @Test func symbolicLinksInATreeAreNotFollowedByTheReaper() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["d/a": "1"])
        let account = try await fixture.create().account
        let outside = fixture.directory("precious")
        try Files.makeDirectory(outside)
        try Files.write("keep", to: "\(outside)/file")
        // As if ffsstaged's own user had been subverted.
        #expect(symlink(outside, fixture.area("\(account)/root/tool-1.0/link")) == 0)
        #expect(symlink(outside, fixture.area("\(account)/root/out")) == 0)
        try await fixture.engine.revoke(account, policy: nil)
        #expect(try await fixture.eventually { !Files.exists(fixture.area(".withdrawn/\(account)/root")) })
        #expect(try Files.read("\(outside)/file") == "keep")
    }
}
