import FFSModel
import Glibc
import Requests
import StagingService
import StoredFormats
import SystemSupport
import TestSupport
import Testing

@Suite struct RecoveryTests {
    @Test func aRestartMendsWhatACrashLeft() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1"])
        let good = try await fixture.create().account
        let noRecord = try await fixture.create().account
        let damaged = try await fixture.create().account
        let noTree = try await fixture.create().account
        let halfRevoked = try await fixture.create().account
        #expect(unlink(fixture.area("\(noRecord)/record")) == 0)
        try Files.write("<account-record", to: fixture.area("\(damaged)/record"))
        try await command(["rm", "-r", fixture.area("\(noTree)/root")]).succeeded()
        let record = try fixture.record(halfRevoked).withdrawn(at: fixture.clock.clock.now(), policy: .finish)
        try Files.write(record.serialized(), to: fixture.area("\(halfRevoked)/record"))
        try Files.makeDirectory(fixture.area(".building/aaaaaaaaaaaaaaaa/root/tool-1.0"))
        try Files.makeDirectory(fixture.area("operators-own"))

        let found = try Reconciler(path: fixture.settings.accounts).findings()
        let kinds = Dictionary(uniqueKeysWithValues: found.map { ($0.path, $0.kind) })
        #expect(
            kinds == [
                "\(noRecord)": .noRecord, "\(damaged)": .noRecord, "\(noTree)": .badTree, "\(halfRevoked)": .withdrawn,
                "operators-own": .stranger,
            ], "what is being built is no finding while a daemon serves the area")

        try fixture.restart()
        #expect(try await fixture.eventually { try fixture.accounts() == [good.text, "operators-own"].sorted() })
        #expect(try Files.names(in: fixture.area(".building")).isEmpty)
        #expect(
            try await fixture.eventually { try Files.names(in: fixture.area(".withdrawn")) == [halfRevoked.text] })
        _ = try await fixture.engine.status(good)
    }

    @Test func aDryRunTellsAndAMendingNeedsTheAreaForItself() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1", "b": "2"])
        let short = try await fixture.create().account
        #expect(unlink(fixture.area("\(short)/root/tool-1.0/b")) == 0)
        let finding = try #require(try Reconciler(path: fixture.settings.accounts).findings().first)
        #expect(finding.kind == .badTree && finding.text.contains("holds 1 files where its record says 2"))
        #expect(throws: Failure.self) { try Reconciler.mend(path: fixture.settings.accounts) }
        #expect(try fixture.accounts() == [short.text])
        fixture.engine.stop()
        try Files.makeDirectory(fixture.area(".building/aaaaaaaaaaaaaaaa/root"))
        #expect(try Reconciler.mend(path: fixture.settings.accounts).count == 2)
        #expect(try fixture.accounts().isEmpty && Files.names(in: fixture.area(".building")).isEmpty)
        #expect(try Reconciler(path: fixture.settings.accounts).findings().isEmpty)
    }

    @Test func oneDaemonServesAnArea() throws {
        let fixture = try StagingFixture()
        let error = #expect(throws: Failure.self) {
            _ = try StagingEngine(settings: fixture.settings, logger: fixture.log.logger)
        }
        #expect(error?.code == .configuration && error?.text.contains("another ffsstaged") == true)
    }

    @Test func theSecretMustBePrivate() throws {
        let fixture = try StagingFixture()
        let secret = "\(fixture.settings.stateDirectory)/staging-secret"
        #expect(try Files.mode(secret) == 0o400 && Files.size(secret) == 32)
        try Files.setMode(0o440, of: secret)
        #expect(throws: Failure.self) { try fixture.restart() }
        try Files.setMode(0o600, of: secret)
        try Files.write("short", to: secret)
        #expect(throws: Failure.self) { try AccountCredentials.load(directory: fixture.settings.stateDirectory) }
    }
}
