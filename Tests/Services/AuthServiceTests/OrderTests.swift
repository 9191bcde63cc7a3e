import Clients
import FFSModel
import Requests
import TestSupport
import Testing
import Tobj

@testable import AuthService

@Suite struct OrderTests {
    @Test func ordersWhatIsEntitledAndNothingElse() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        let other = try await harness.customer("other")
        let tool = try await harness.content("tool", "1")
        let newer = try await harness.content("tool", "2")
        let secret = try await harness.content("secret", "1")
        let until = harness.clock.now + 1_000
        try await harness.grant(acme, "tool", version: "1", until: until, policy: .grace(seconds: 60))
        try await harness.grant(acme, "tool", version: "2", policy: .grace(seconds: 30))
        try await harness.grant(other, "secret", policy: .cut)

        #expect(try await harness.web.entitlements(of: acme).map(\.item) == [newer, tool])
        let reply = try await harness.order(acme, [tool, newer])
        #expect(reply.terms.manifests == [tool: digest("tool", "1", 0), newer: digest("tool", "2", 0)])
        #expect(reply.policy == .grace(seconds: 30))
        #expect(reply.until == until)
        for items in [[secret], [tool, secret], [Item(product: tool.product, version: try VersionName("3"))]] {
            #expect(try await failure { try await harness.order(acme, items) }.code == .notEntitled)
        }
        #expect(try await failure { try await harness.order(try CustomerName("nobody"), [tool]) }.code == .notEntitled)
        // Refused as a whole: no trace of the ones that failed.
        #expect(try await harness.operators.rows(of: OrderList()).map(\.order) == [reply.order])
        #expect(try await harness.operators.rows(of: OrderList(customer: acme)).first?.items == [tool, newer])

        harness.clock.advance(1_000)
        #expect(try await harness.web.entitlements(of: acme).map(\.item) == [newer])
        #expect(try await failure { try await harness.order(acme, [tool]) }.code == .notEntitled)
    }

    @Test func theSameRequestIsOneOrder() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        let tool = try await harness.content("tool", "1")
        try await harness.grant(acme, "tool", orderLimit: 1)
        let id = RequestID.random()
        let first = try await harness.order(acme, [tool], id: id)
        // The limit is used up, but this is the same order.
        #expect(try await harness.order(acme, [tool], id: id).order == first.order)
        // Nothing is left to order; but whoever holds that order is still entitled to what it brought.
        #expect(try await harness.web.entitlements(of: acme).isEmpty)
        #expect(try await harness.web.entitlements(of: acme, holding: first.order).map(\.item) == [tool])
        #expect(try await harness.web.entitlements(of: acme, holding: first.order + 1).isEmpty)
        // Even after a restart.
        try await harness.database.close()
        let restarted = try Harness(directory: harness.directory)
        #expect(try await restarted.order(acme, [tool], id: id).order == first.order)
        #expect(try await restarted.operators.rows(of: OrderList()).count == 1)
        // Another request may not borrow the id.
        let other = try await restarted.customer("other")
        #expect(try await failure { try await restarted.order(other, [tool], id: id) }.code == .badRequest)
        // After a day it is forgotten.
        restarted.clock.advance(AuthService.replyLifetime + 1)
        try await restarted.service.forgetOldReplies()
        #expect(try await failure { try await restarted.order(acme, [tool], id: id) }.code == .notEntitled)
    }

    /// An order that was placed while nothing could be staged is worth nothing once what it holds is revoked.
    @Test func aRepeatedOrderIsAuthorisedAnew() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        let tool = try await harness.content("tool", "1")
        let grant = try await harness.grant(acme, "tool", policy: .finish, orderLimit: 1)
        let id = RequestID.random()
        let first = try await harness.order(acme, [tool], id: id)
        _ = try await harness.operators.send(EntitlementRevoke(.id(grant.id)))
        #expect(try await failure { try await harness.order(acme, [tool], id: id) }.code == .notEntitled)
        // Granted again on other terms: the same order, on those terms, and counted against them.
        let until = harness.clock.now + 500
        try await harness.grant(acme, "tool", until: until, policy: .cut, orderLimit: 1)
        let again = try await harness.order(acme, [tool], id: id)
        #expect(again.order == first.order)
        #expect(again.policy == .cut && again.until == until)
        #expect(try await harness.web.entitlements(of: acme).isEmpty)
        for status in [CustomerRecord.Status.disabled, .active] {
            _ = try await harness.operators.send(CustomerUpdate(customer: acme, status: status))
            let repeated = try? await harness.order(acme, [tool], id: id)
            #expect((repeated != nil) == (status == .active))
        }
    }

    /// A session carries the generation of its sign-in; each thing that should end it does.
    @Test func sessionsEndWithThePasswordTheStatusAndTheRow() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        let tool = try await harness.content("tool", "1")
        try await harness.grant(acme, "tool")
        func generation(_ password: [UInt8] = .correct) async throws -> Int {
            try await harness.login(acme, password).generation
        }
        /// How the requests of a session are answered: "" for done.
        func answers(_ generation: Int) async throws -> Set<String> {
            var codes: Set<String> = []
            func note(_ body: () async throws -> Void) async throws {
                do {
                    try await body()
                    codes.insert("")
                } catch let failure as Failure { codes.insert(failure.code.rawValue) }
            }
            try await note { try await harness.web.checkSession(of: acme, generation: generation) }
            try await note { _ = try await harness.web.entitlements(of: acme, generation: generation) }
            try await note {
                _ = try await harness.web.order(
                    customer: acme, generation: generation, items: [tool], source: "-", id: .random())
            }
            return codes
        }
        var session = try await generation()
        #expect(try await generation() == session)
        #expect(try await answers(session) == [""])

        _ = try await harness.operators.send(CustomerUpdate(customer: acme, password: .wrong))
        #expect(try await answers(session) == ["session-ended"])
        session = try await generation(.wrong)

        // One's own change: the session in which it was made goes on, every other one ends.
        let own = try await harness.web.changePassword(
            customer: acme, password: .wrong, newPassword: .correct, source: "-")
        #expect(try await answers(session) == ["session-ended"])
        #expect(try await answers(own) == [""])
        session = own

        for status in [CustomerRecord.Status.disabled, .active] {
            _ = try await harness.operators.send(CustomerUpdate(customer: acme, status: status))
            #expect(try await answers(session) == ["session-ended"], "\(status)")
        }
        session = try await generation()
        _ = try await harness.operators.send(CustomerUpdate(customer: acme, expires: .at(harness.clock.now + 5)))
        #expect(try await answers(session) == [""])
        harness.clock.advance(5)
        #expect(try await answers(session) == ["session-ended"])
        _ = try await harness.operators.send(CustomerUpdate(customer: acme, expires: .never))

        // A renewed hash is no new password.
        var settings = SignInSettings.fast
        settings.hashCost = 2
        try harness.service.apply(settings)
        #expect(try await generation() == session)
        #expect(try await answers(session) == [""])

        // By an operator's own SQL as well.
        try await command(
            "sqlite3", harness.path, "UPDATE customers SET status = 'disabled'; UPDATE customers SET status = 'active'"
        ).succeeded()
        #expect(try await answers(session) == ["session-ended"])
        session = try await generation()

        _ = try await harness.operators.send(CustomerDelete(customer: acme))
        #expect(try await answers(session) == ["session-ended"])
        try await harness.customer()
        #expect(try await answers(session) == ["session-ended"])
    }

    /// A staging that failed after its order costs nothing: the same choice comes to the same order, for a while.
    @Test func anOrderThatUsedUpALimitIsResumed() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        let tool = try await harness.content("tool", "1")
        let other = try await harness.content("other", "1")
        try await harness.grant(acme, "tool", orderLimit: 1)
        try await harness.grant(acme, "other")
        let first = try await harness.order(acme, [tool, other])
        #expect(try await harness.web.entitlements(of: acme).map(\.item) == [other])
        let shown = try await harness.web.entitlements(of: acme, resume: true)
        #expect(shown.map(\.item) == [other, tool] && shown.map(\.isHeld) == [false, true])
        let id = RequestID.random()
        #expect(try await harness.order(acme, [other, tool], id: id).order == first.order)
        #expect(try await harness.order(acme, [other, tool], id: id).order == first.order)
        #expect(try await harness.order(acme, [other]).order != first.order)
        // Not by another choice, another customer, or when it was revoked; and not for ever.
        #expect(try await failure { try await harness.order(acme, [tool]) }.code == .notEntitled)
        let stranger = try await harness.customer("stranger")
        #expect(try await failure { try await harness.order(stranger, [tool, other]) }.code == .notEntitled)
        harness.clock.advance(AuthService.resumable + 1)
        #expect(try await harness.web.entitlements(of: acme, resume: true).map(\.item) == [other])
        #expect(try await failure { try await harness.order(acme, [tool, other]) }.code == .notEntitled)
        #expect(try await harness.operators.rows(of: OrderList()).count == 2)
    }

    @Test func ordersAtOnceDoNotPassALimit() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        let tool = try await harness.content("tool", "1")
        try await harness.grant(acme, "tool", orderLimit: 5)
        let placed = await withTaskGroup(of: Int?.self) { group in
            for _ in 0..<40 { group.addTask { (try? await harness.order(acme, [tool]))?.order } }
            return await group.reduce(into: Set<Int?>()) { $0.insert($1) }
        }
        #expect(placed.count == 5)
        #expect(try await harness.operators.rows(of: OrderList()).count == 5)
    }

    @Test func disabledExpiredAndWithdrawnMeanNothing() async throws {
        let harness = try Harness()
        let acme = try await harness.customer(expires: harness.clock.now + 100)
        let tool = try await harness.content("tool", "1")
        try await harness.grant(acme, "tool")
        #expect(try await harness.order(acme, [tool]).until == harness.clock.now + 100)
        _ = try await harness.operators.send(ContentWithdraw(product: tool.product, version: tool.version))
        #expect(try await harness.web.entitlements(of: acme).isEmpty)
        let restored = try await harness.operators.send(
            ContentRegister(
                product: tool.product, version: tool.version, manifest: digest("tool", "1", 0), size: 1_000, files: 3))
        #expect(restored.outcome == .restored)
        #expect(try await harness.web.entitlements(of: acme).count == 1)
        _ = try await harness.operators.send(CustomerUpdate(customer: acme, status: .disabled))
        #expect(try await harness.web.entitlements(of: acme).isEmpty)
        _ = try await harness.operators.send(CustomerUpdate(customer: acme, status: .active))
        harness.clock.advance(100)
        #expect(try await harness.web.entitlements(of: acme).isEmpty)
        #expect(try await failure { try await harness.order(acme, [tool]) }.code == .notEntitled)
    }

    @Test(arguments: [
        ([ExpiryPolicy.finish, .finish], ExpiryPolicy.finish), ([.finish, .grace(seconds: 9)], .grace(seconds: 9)),
        ([.grace(seconds: 9), .grace(seconds: 3), .finish], .grace(seconds: 3)), ([.grace(seconds: 1), .cut], .cut),
    ])
    func theStrictestPolicyHolds(policies: [ExpiryPolicy], expected: ExpiryPolicy) {
        #expect(strictest(policies) == expected)
    }
}
