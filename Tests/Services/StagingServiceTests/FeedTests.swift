import ChangeFeed
import FFSModel
import Requests
import StoredFormats
import SystemSupport
import TestSupport
import Testing

@testable import StagingService

/// What has changed in the master database reaches accounts, those being built as well, and nothing is answered for that could
/// not be checked.
@Suite(.timeLimit(.minutes(2))) struct FeedTests {
    /// A disk that waits at one of its barriers while a test says so.
    private final class Disk: Sendable {
        let files = Monitor(false)
        let names = Monitor(false)

        var commit: CommitDisk {
            CommitDisk(
                bringFiles: { [files] groups in
                    files.wait { $0 ? nil : () }
                    return groups.map { _ in nil }
                }, bringNames: { [names] () throws(SystemError) in names.wait { $0 ? nil : () } })
        }
    }

    @Test func aRevocationEndsTheAccountUnderItsPolicy() async throws {
        let host = try FollowingHost()
        try await host.agent.step()
        host.master.place(1)
        host.master.place(2)
        let first = try await host.create(1)
        let second = try await host.create(2)
        host.master.revoke(1, policy: .grace(seconds: 600))
        try await host.agent.step()
        let record = try host.fixture.record(first, in: ".withdrawn/")
        #expect(record.policy == .grace(seconds: 600) && record.withdrawn != nil)
        #expect(try host.fixture.accounts() == [second.text], "another order of the same customer stands")
        #expect(host.master.with(\.acknowledged) == host.master.head)
    }

    @Test(arguments: [
        (FeedRow.Entity.customer, [FeedRow.Column.customer: "acme"], FeedRow.Operation.delete),
        (.customer, [.customer: "acme"], .update), (.version, [.product: "tool", .version: "1.0"], .update),
        (.version, [.product: "tool", .version: "1.0"], .delete), (.product, [.product: "tool"], .delete),
        (.entitlement, [.customer: "acme", .product: "tool"], .delete),
    ])
    func everyKindOfEndIsNoticed(
        _ entity: FeedRow.Entity, _ keys: [FeedRow.Column: String], _ operation: FeedRow.Operation
    ) async throws {
        let host = try FollowingHost()
        try await host.agent.step()
        host.master.place(1)
        _ = try await host.create(1)
        host.master.with { $0.orders[1] = .init(order: 1, stands: false, policy: .cut, until: nil) }
        host.master.change(entity, keys, operation)
        try await host.agent.step()
        #expect(try host.fixture.accounts().isEmpty)
    }

    @Test func whatDoesNotConcernAnAccountIsNotAskedAbout() async throws {
        let host = try FollowingHost()
        try await host.agent.step()
        host.master.place(1)
        _ = try await host.create(1)
        let checks = host.master.with(\.checks)
        host.master.change(.entitlement, [.customer: "acme", .product: "other"])
        host.master.change(.entitlement, [.customer: "acme", .product: "tool"], .insert)
        host.master.change(.product, [.product: "tool"])
        host.master.change(.customer, [.customer: "no name\n"])
        try await host.agent.step()
        #expect(host.master.with(\.checks) == checks)
        #expect(try host.fixture.accounts().count == 1)
    }

    @Test func anEndThatCameCloserShortensTheAccount() async throws {
        let host = try FollowingHost()
        try await host.agent.step()
        host.master.place(1)
        let account = try await host.create(1)
        let until = host.fixture.clock.clock.now() + 60
        host.master.place(1, until: until)
        host.master.change(.entitlement, [.customer: "acme", .product: "tool"])
        try await host.agent.step()
        #expect(try host.fixture.record(account).expires == until)
    }

    /// The order was allowed, then taken back, and the host knows that before it publishes.
    @Test func aRevocationDuringTheBuildLeavesNothing() async throws {
        let disk = Disk()
        let host = try FollowingHost(disk: disk.commit)
        try await host.agent.step()
        host.master.place(1)
        disk.files.withLock { $0 = true }
        let front = host.front
        async let refusal = front.refusal(1)
        #expect(try await host.fixture.eventually { try !Files.names(in: host.fixture.area(".building")).isEmpty })
        host.master.revoke(1)
        try await host.agent.step()
        disk.files.withLock(wake: .all) { $0 = false }
        #expect(await refusal == .notEntitled)
        #expect(try host.fixture.accounts().isEmpty && host.engine.index.count == 0)
        #expect(host.desk.feed.claims == 0)
    }

    @Test func aRevocationBeforeTheReplyLeavesNothing() async throws {
        let disk = Disk()
        let host = try FollowingHost(disk: disk.commit)
        try await host.agent.step()
        host.master.place(1)
        disk.names.withLock { $0 = true }
        let front = host.front
        async let refusal = front.refusal(1)
        #expect(try await host.fixture.eventually { try !host.fixture.accounts().isEmpty })
        host.master.revoke(1)
        try await host.agent.step()
        disk.names.withLock(wake: .all) { $0 = false }
        #expect(await refusal == .notEntitled)
        #expect(try host.fixture.accounts().isEmpty && host.engine.index.count == 0)
    }

    /// The answer that the order stands is on its way while the revocation is applied.
    @Test func aDelayedAnswerIsNotBelieved() async throws {
        let host = try FollowingHost()
        try await host.agent.step()
        host.master.place(1)
        host.master.with { $0.holdsAnswers = true }
        let front = host.front
        async let refusal = front.refusal(1)
        #expect(try await host.fixture.eventually { host.master.with(\.checks) == 1 })
        host.master.revoke(1)
        try await host.agent.step()
        host.master.with { $0.holdsAnswers = false }
        #expect(await refusal == .notEntitled)
        #expect(host.master.with(\.checks) == 2)
        #expect(try host.fixture.accounts().isEmpty)
    }

    /// A change that ends nothing makes the host ask again, not refuse.
    @Test func aHarmlessChangeDuringTheBuildIsNoRefusal() async throws {
        let disk = Disk()
        let host = try FollowingHost(disk: disk.commit)
        try await host.agent.step()
        host.master.place(1)
        disk.files.withLock { $0 = true }
        let front = host.front
        async let refusal = front.refusal(1)
        #expect(try await host.fixture.eventually { try !Files.names(in: host.fixture.area(".building")).isEmpty })
        host.master.change(.entitlement, [.customer: "acme", .product: "tool"], .insert)
        try await host.agent.step()
        disk.files.withLock(wake: .all) { $0 = false }
        #expect(await refusal == nil)
        #expect(try host.fixture.accounts().count == 1)
    }

    /// An order that says where it was allowed needs no question, unless the host is ahead of that.
    @Test func anOrderAtTheHeadIsNotAskedAbout() async throws {
        let host = try FollowingHost()
        let old = host.master.head
        try await host.agent.step()
        host.master.place(1)
        _ = try await host.create(1, position: old)
        #expect(host.master.with(\.checks) == 0)
        host.master.change(.node, [.node: "storage-1"])
        try await host.agent.step()
        host.master.place(2)
        _ = try await host.create(2, position: old)
        #expect(host.master.with(\.checks) == 1)
    }

    @Test func withoutALeaseNothingNewIsStaged() async throws {
        let host = try FollowingHost()
        host.master.place(1)
        #expect(await host.refusal(1) == .busy, "before the first answer")
        try await host.agent.step()
        let id = RequestID.random()
        let account = try await host.create(1, id: id)
        host.pass(FollowingHost.lease)
        #expect(await host.refusal(2) == .busy)
        #expect(try await host.create(1, id: id) == account, "what is there stays")
        try await host.agent.step()
        host.master.place(2)
        #expect(await host.refusal(2) == nil)
    }

    /// The daemon stood still, or the link did, between its check and its reply: as after SIGSTOP.
    @Test func aLeaseThatLapsedMeanwhileTakesThePublicationBack() async throws {
        let disk = Disk()
        let host = try FollowingHost(disk: disk.commit)
        try await host.agent.step()
        host.master.place(1)
        disk.names.withLock { $0 = true }
        let id = RequestID.random()
        let front = host.front
        async let refusal = front.refusal(1, id: id)
        #expect(try await host.fixture.eventually { try !host.fixture.accounts().isEmpty })
        host.pass(FollowingHost.lease)
        disk.names.withLock(wake: .all) { $0 = false }
        #expect(await refusal == .busy)
        #expect(try host.fixture.accounts().isEmpty && host.engine.index.count == 0)
        // The same request gets its account once it can be checked.
        try await host.agent.step()
        let account = try await host.create(1, id: id)
        #expect(try host.fixture.accounts() == [account.text])
    }

    @Test func serveStaleGoesOnAndSaysSo() async throws {
        let host = try FollowingHost(servesStale: true)
        host.master.place(1)
        host.master.with { $0.isDown = true }
        #expect(await host.refusal(1) == nil)
        #expect(host.fixture.log.contains("could not be checked"))
        host.master.with { $0.isDown = false }
        #expect(await host.refusal(3) == .notEntitled, "what can be checked is")
    }

    /// A master restored from a backup: what is held may rest on what it does not know.
    @Test func aResetChecksEverything() async throws {
        let host = try FollowingHost()
        try await host.agent.step()
        for order in 1...3 { host.master.place(order) }
        let kept = try await host.create(1)
        _ = try await host.create(2)
        _ = try await host.create(3)
        let free = try await host.fixture.unordered(host.engine)
        host.master.with { state in
            state.orders[2] = nil
            state.orders[3] = .init(order: 3, stands: false, policy: .cut, until: nil)
        }
        host.master.restore()
        try await host.agent.step()
        #expect(try Set(host.fixture.accounts()) == [kept.text, free.text])
    }

    @Test func accountsUnderThePolicyCutEndWithTheLease() async throws {
        let host = try FollowingHost()
        try await host.agent.step()
        host.master.place(1)
        host.master.place(2)
        let kept = try await host.create(1)
        _ = try await host.create(2, policy: .cut)
        host.master.with { $0.isDown = true }
        let agent = host.agent
        let following = Task { try await agent.run() }
        try await Task.sleep(for: .milliseconds(400))
        #expect(try host.fixture.accounts().count == 2)
        host.pass(FollowingHost.lease)
        #expect(try await host.fixture.eventually { try host.fixture.accounts() == [kept.text] })
        following.cancel()
        _ = await following.result
    }
}

extension StagingFixture {
    /// An account that the operator made without an order, which no change concerns.
    fileprivate func unordered(_ engine: StagingEngine) async throws -> AccountID {
        try await engine.create(
            StageCreate(customer: try CustomerName("acme"), items: [Self.item()], lifetime: 3_600), id: .random()
        ).account
    }
}
