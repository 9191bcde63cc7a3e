import FFSModel
import Glibc
import Repository
import Requests
import StagingService
import StoredFormats
import SystemSupport
import TestSupport
import Testing

@Suite struct StagingTests {
    @Test func anAccountIsHardLinksARecordAndChecksums() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["bin/run": "test", "docs/deep/er/read me": "hello", "empty": "", "top": "test"])
        let account = try await fixture.create()
        #expect(account.fileCount == 4 && account.bytes == 13 && account.password?.utf8.count == 26)
        #expect(
            account.files.map(\.path.description) == [
                "tool-1.0/bin/run", "tool-1.0/docs/deep/er/read me", "tool-1.0/empty", "tool-1.0/top",
            ])
        let root = fixture.area("\(account.account)/root")
        #expect(try Files.read("\(root)/tool-1.0/docs/deep/er/read me") == "hello")
        #expect(try Files.inode("\(root)/tool-1.0/bin/run") == Files.inode("\(root)/tool-1.0/top"))
        #expect(try Files.links("\(root)/tool-1.0/top") == 3, "the object and two files")
        #expect(try Files.links("\(root)/tool-1.0/empty") == 1, "empty files are made, not linked")
        #expect(try Files.mode("\(root)/tool-1.0/top") == 0o444 && Files.mode("\(root)/tool-1.0/empty") == 0o444)
        #expect(try Files.mode(root) & 0o777 == 0o755 && Files.mode("\(root)/tool-1.0/docs") & 0o777 == 0o755)
        #expect(try Files.mode(fixture.area("\(account.account)/record")) == 0o640)
        #expect(try Files.names(in: root) == ["SHA256SUMS", "tool-1.0"])
        try await command(["sh", "-c", "cd '\(root)' && sha256sum --strict -c SHA256SUMS"]).succeeded()

        let record = try fixture.record(account.account)
        #expect(record.customer.text == "acme" && record.order == 7 && record.fileCount == 4 && record.bytes == 13)
        #expect(record.admits(password: Array((account.password ?? "").utf8), at: fixture.clock.clock.now()))
        #expect(try Files.names(in: fixture.area(".building")).isEmpty)
        #expect(try await fixture.engine.status(account.account).files == account.files)
    }

    /// So that every event about the account can say where it comes from.
    @Test func theRecordSaysWhereTheAccountComesFrom() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1"])
        let manifest = ContentDigest.sha256(
            of: Array(try Files.read("\(fixture.settings.repository)/index/tool/1.0").utf8))
        let terms = AccountTerms(
            manifests: [StagingFixture.item(): manifest], retailer: try RetailerName("shop"), level: 3, isMetered: true)
        let trace = TraceID.random()
        let account = try await fixture.engine.create(
            StageCreate(
                customer: try CustomerName("acme"), items: [StagingFixture.item()], lifetime: 60, terms: terms),
            id: .random(), trace: trace)
        let origin = AccountRecord.Origin(
            trace: trace, manifests: terms.manifests, retailer: terms.retailer, level: 3, isMetered: true)
        #expect(try fixture.record(account.account).origin == origin)
        _ = try await fixture.engine.extend(account.account, lifetime: 120)
        #expect(try fixture.record(account.account).origin == origin)
    }

    @Test func onlyTheContentThatWasOrderedIsStaged() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1"])
        let error = await #expect(throws: Failure.self) {
            try await fixture.engine.create(
                StageCreate(
                    customer: try CustomerName("acme"), items: [StagingFixture.item()], lifetime: 60,
                    terms: AccountTerms(manifests: [StagingFixture.item(): .sha256(of: [])])), id: .random())
        }
        #expect(error?.code == .notFound && error?.text.contains("product publish --replace") == true)
        #expect(try fixture.accounts().isEmpty && Files.names(in: fixture.area(".building")).isEmpty)
    }

    @Test func severalVersionsShareAnAccount() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1"], as: StagingFixture.item("zeta"))
        try fixture.publish(["b": "2", "we\\ird": "3"], as: StagingFixture.item("alpha"))
        let account = try await fixture.create([StagingFixture.item("zeta"), StagingFixture.item("alpha")])
        let root = fixture.area("\(account.account)/root")
        #expect(try Files.names(in: root) == ["SHA256SUMS", "alpha-1.0", "zeta-1.0"])
        try await command(["sh", "-c", "cd '\(root)' && sha256sum --strict -c SHA256SUMS"]).succeeded()
        #expect(account.files.map(\.path.description) == ["alpha-1.0/b", "alpha-1.0/we\\ird", "zeta-1.0/a"])
    }

    @Test func whatCannotBeStagedIsSaid() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1"])
        try fixture.publish(["a": "1"], as: StagingFixture.item("a-b", "c"))
        try fixture.publish(["a": "1"], as: StagingFixture.item("a", "b-c"))
        func code(_ items: [Item], lifetime: Int = 60) async -> FailureCode? {
            do {
                _ = try await fixture.create(items, lifetime: lifetime)
                return nil
            } catch { return (error as? Failure)?.code }
        }
        #expect(await code([StagingFixture.item("none")]) == .notFound)
        #expect(await code([StagingFixture.item("tool"), StagingFixture.item("tool")]) == .badRequest)
        #expect(await code([StagingFixture.item("a-b", "c"), StagingFixture.item("a", "b-c")]) == .badRequest)
        fixture.settings.maxLifetime = 100
        try fixture.restart()
        #expect(await code([StagingFixture.item()], lifetime: 101) == .badRequest)
        #expect(await code([StagingFixture.item()], lifetime: 100) == nil)
        #expect(try fixture.accounts().count == 1)
        #expect(try Files.names(in: fixture.area(".building")).isEmpty)
    }

    @Test func theSameRequestGivesTheSameAccount() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1"])
        let id = RequestID.random()
        let first = try await fixture.create(id: id)
        let again = try await fixture.create(id: id)
        #expect(again.account == first.account && again.password == first.password && again.files == first.files)
        try fixture.restart()
        let afterRestart = try await fixture.create(id: id)
        #expect(afterRestart.account == first.account && afterRestart.password == first.password)
        #expect(afterRestart.created == first.created && afterRestart.expires == first.expires)
        #expect(try fixture.accounts().count == 1)
        // Eight at once are one, too.
        let other = RequestID.random()
        let engine = fixture.engine
        let accounts = try await withThrowingTaskGroup(of: AccountID.self) { group in
            for _ in 0..<8 {
                group.addTask { try await engine.create(StagingFixture.request(), id: other).account }
            }
            var all: Set<AccountID> = []
            for try await account in group { all.insert(account) }
            return all
        }
        #expect(accounts.count == 1)
        #expect(try fixture.accounts().count == 2)
    }

    @Test func anIdIsNotUsedForTwoRequests() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1"])
        try fixture.publish(["a": "1"], as: StagingFixture.item("other"))
        let id = RequestID.random()
        _ = try await fixture.create(id: id)
        let error = await #expect(throws: Failure.self) {
            try await fixture.create([StagingFixture.item("other")], id: id)
        }
        #expect(error?.code == .badRequest)
    }

    @Test func loginsAndPasswordsAreNotToBeGuessed() {
        let one = AccountCredentials(secret: Array(repeating: 1, count: 32))
        let two = AccountCredentials(secret: Array(repeating: 2, count: 32))
        let id = RequestID("000102030405060708090a0b0c0d0e0f")!
        let now = Timestamp(seconds: 1_800_000_000)
        // HMAC-SHA-256 by an independent implementation (Python's hmac), docs/formats.md.
        #expect(one.account(for: id).text == Self.goldenLogin)
        #expect(one.password(for: id, created: now) == Self.goldenPassword)
        #expect(
            one.account(for: id) != two.account(for: id)
                && one.password(for: id, created: now) != two.password(for: id, created: now))
        #expect(one.password(for: id, created: now) != one.password(for: id, created: now + 1))
        #expect(one.account(for: .random()) != one.account(for: .random()))
    }

    static let goldenLogin = "dtuisufim5rmwt5g"
    static let goldenPassword = "lmjvwotugwir6uyif2sd22grer"

    @Test func aLargeTreeIsBuiltByAllThreads() async throws {
        let fixture = try StagingFixture()
        var files: [String: String] = [:]
        for index in 0..<5_000 { files["d\(index / 700)/f\(index)"] = "\(index % 3_000)" }
        try fixture.publish(files)
        let account = try await fixture.create()
        #expect(account.fileCount == 5_000 && account.files.count == 500)
        let root = fixture.area("\(account.account)/root")
        try await command([
            "sh", "-c",
            "cd '\(root)' && sha256sum --strict --quiet -c SHA256SUMS && test $(find . -type f | wc -l) = 5001",
        ]).succeeded()
        #expect(try Reconciler(path: fixture.settings.accounts).findings().isEmpty)
    }

    @Test func aWithdrawnVersionIsNotStagedAndANewOneIsSeen() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1"])
        let old = try await fixture.create()
        try fixture.repository.withdraw(StagingFixture.item())
        let error = await #expect(throws: Failure.self) { try await fixture.create() }
        #expect(error?.code == .notFound)
        try fixture.publish(["b": "2"])
        let new = try await fixture.create()
        #expect(new.files.map(\.path.description) == ["tool-1.0/b"])
        #expect(try Files.read(fixture.area("\(old.account)/root/tool-1.0/a")) == "1")
    }

    @Test func aMissingObjectIsCorruptAndLeavesNothing() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1", "b": "2"])
        _ = try await fixture.create()
        let digest = try fixture.repository.manifest(of: StagingFixture.item()).rows[1].digest
        let object = "\(fixture.settings.repository)/objects/\("\(digest)".prefix(2))/\(digest)"
        #expect(unlink(object) == 0)
        for _ in 0..<2 {
            let error = await #expect(throws: Failure.self) { try await fixture.create() }
            #expect(error?.code == .corrupt && error?.text.contains("\(digest)") == true)
        }
        #expect(try fixture.accounts().count == 1)
        #expect(try Files.names(in: fixture.area(".building")).isEmpty)
        try fixture.publish(["a": "1", "b": "2"])
        _ = try await fixture.create()
    }

    @Test func listsInPagesAndByCustomer() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(["a": "1"])
        var made: [AccountID] = []
        for number in 0..<7 {
            if number % 2 == 0 { fixture.clock.pass(1) }
            made.append(try await fixture.create().account)
        }
        #expect(try await fixture.eventually { fixture.log.contains("area read") })
        var seen: [StageList.Row] = []
        var more = true
        while more {
            let page = try await fixture.engine.list(StageList(after: seen.last.map(StageList.Place.init), limit: 3))
            #expect(page.count == 7)
            seen += page.rows
            more = page.more
        }
        // The newest first; of one second, by name.
        let expected = [made[6]] + [made[4...5], made[2...3], made[0...1]].flatMap { $0.sorted().reversed() }
        #expect(seen.map(\.account) == expected)
        // The page after an account that is gone meanwhile goes on where it was.
        try await fixture.engine.revoke(seen[2].account, policy: nil)
        let rest = try await fixture.engine.list(StageList(after: StageList.Place(seen[2]), limit: 9))
        #expect(rest.rows == Array(seen[3...]) && rest.count == 6)
        let none = try await fixture.engine.list(StageList(customer: CustomerName(validated: "other"), limit: 10))
        #expect(none.rows.isEmpty && !none.more && none.count == 0)
        let all = try await fixture.engine.list(StageList(customer: CustomerName(validated: "acme"), limit: 7))
        #expect(all.rows.count == 6 && !all.more)
    }

    @Test func aFullQueueSaysBusy() async throws {
        let fixture = try StagingFixture(threads: 1, queue: 4)
        try fixture.publish(Dictionary(uniqueKeysWithValues: (0..<900).map { ("f\($0)", "\($0)") }))
        let engine = fixture.engine
        let results = await withTaskGroup(of: FailureCode?.self) { group in
            for _ in 0..<64 {
                group.addTask {
                    do {
                        _ = try await engine.create(StagingFixture.request(), id: .random())
                        return nil
                    } catch { return (error as? Failure)?.code }
                }
            }
            return await group.reduce(into: [FailureCode?]()) { $0.append($1) }
        }
        let busy = results.count { $0 == .busy }
        #expect(busy > 0 && results.allSatisfy { $0 == nil || $0 == .busy })
        #expect(try fixture.accounts().count == 64 - busy)
    }
}
