import FFSModel
import Requests
import StoredFormats
import SystemSupport
import TestSupport
import Testing

@testable import StagingService

/// Accounts that one customer may have, and may be given within an hour.
@Suite struct QuotaTests {
    private func fixture(living: Int, hour: Int) throws -> StagingFixture {
        let fixture = try StagingFixture()
        fixture.settings.accountsPerCustomer = living
        fixture.settings.accountsPerHour = hour
        try fixture.restart()
        try fixture.publish(["a": "1"])
        return fixture
    }

    private func refusal(_ fixture: StagingFixture, _ items: [Item] = [StagingFixture.item()]) async -> Failure? {
        do {
            _ = try await fixture.create(items)
            return nil
        } catch { return error as? Failure }
    }

    @Test func livingAccountsAreLimited() async throws {
        let fixture = try fixture(living: 3, hour: 0)
        let id = RequestID.random()
        let first = try await fixture.create(id: id).account
        for _ in 0..<2 { _ = try await fixture.create() }
        let full = try #require(await refusal(fixture))
        #expect(full.code == .noSpace && full.text.contains("staging.accounts-per-customer"))
        // The account that is there, and others' accounts, are no matter of it.
        #expect(try await fixture.create(id: id).account == first)
        let other = StageCreate(
            customer: CustomerName(validated: "other"), items: [StagingFixture.item()], lifetime: 60)
        _ = try await fixture.engine.create(other, id: .random())
        try await fixture.engine.revoke(first, policy: nil)
        #expect(await refusal(fixture) == nil)
        // Those of before a restart count.
        try fixture.restart()
        #expect(try await fixture.eventually { fixture.log.contains("area read") })
        #expect(try await fixture.eventually { fixture.engine.index.count == 4 })
        #expect(await refusal(fixture)?.code == .noSpace)
    }

    @Test func manyAtOnceDoNotPassTheLimit() async throws {
        let fixture = try fixture(living: 20, hour: 0)
        let engine = fixture.engine
        let made = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<80 {
                group.addTask { (try? await engine.create(StagingFixture.request(), id: .random())) != nil }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(made == 20)
    }

    @Test func theRateIsLimitedAndFailuresDoNotCount() async throws {
        let fixture = try fixture(living: 0, hour: 4)
        for _ in 0..<9 { #expect(await refusal(fixture, [StagingFixture.item("missing")])?.code == .notFound) }
        for _ in 0..<4 {
            let account = try await fixture.create().account
            try await fixture.engine.revoke(account, policy: nil)
        }
        let fast = try #require(await refusal(fixture))
        #expect(fast.code == .busy && fast.retryAfter == 900 && fast.text.contains("staging.accounts-per-hour"))
        fixture.clock.pass(3_600)
        for _ in 0..<4 { #expect(await refusal(fixture) == nil) }
        #expect(await refusal(fixture)?.code == .busy)
    }
}
