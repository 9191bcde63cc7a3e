import Clients
import Events
import FFSModel
import Requests
import TestSupport
import Testing

@testable import AuthService

/// The outbox: no event without its change, no change without its event.
@Suite struct OutboxTests {
    private func events(_ harness: Harness) async throws -> [Event] {
        try await harness.database.read { try $0.events(after: 0, limit: 1_000) }.map { try Event(record: $0.record) }
    }

    /// The event in a word each: what, of what, which.
    private func line(_ event: Event) -> String {
        let fields: [EventField] = [.entity, .outcome, .customer, .product, .version, .host, .detail]
        return ([event.type.rawValue] + fields.compactMap { event.text($0) }).joined(separator: " ")
    }

    @Test func everyChangeHasItsEvent() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        let item = try await harness.content("tool", "1")
        try await harness.content("tool", "1")
        try await harness.content("tool", "1", replace: true, seed: 1)
        let grant = try await harness.grant(acme, "tool")
        let trace = TraceID.random()
        let order = try await harness.web.order(
            customer: acme, items: [item], source: "192.0.2.1", id: .random(), trace: trace)
        try await harness.web.changePassword(
            customer: acme, password: .correct, newPassword: Array("better horse".utf8), source: "-")
        _ = try await harness.operators.send(
            CustomerUpdate(customer: acme, status: .disabled, password: Array("third horse".utf8)))
        _ = try await harness.operators.send(ProductUpdate(product: item.product, title: "T", summary: nil))
        _ = try await harness.operators.send(EntitlementRevoke(.id(grant.id)))
        _ = try await harness.operators.send(
            NodeRegister(node: try NodeName("storage-1"), role: .storage, address: "h"))
        _ = try await harness.operators.send(ContentWithdraw(product: item.product))
        _ = try await harness.operators.send(CustomerDelete(customer: acme))
        let events = try await events(harness)
        #expect(
            events.map(line) == [
                "change.made customer created acme", "change.made version registered tool 1",
                "change.made product changed tool", "change.made version replaced tool 1",
                "change.made entitlement granted acme tool entitlement 1", "order.placed acme tool 1",
                "change.made customer password acme", "change.made customer changed acme status=disabled password",
                "change.made product changed tool", "change.made entitlement revoked acme tool entitlement 1",
                "change.made node registered storage-1", "change.made version withdrawn tool 1",
                "change.made customer deleted acme",
            ])
        #expect(events[0].text(.actor) == "test" && events[0].text(.link) == "control")
        let placed = events[5]
        #expect(placed.trace == trace && placed.integer(.order) == UInt64(order.order))
        #expect(placed.digest(.content) == digest("tool", "1", 1) && placed.text(.peer) == "192.0.2.1")
        #expect(Set(events.map(\.id)).count == events.count)
        // Nothing of a password but that it is another.
        let bytes = try await harness.database.read { try $0.events(after: 0, limit: 99).flatMap(\.record) }
        #expect(!String(decoding: bytes, as: UTF8.self).contains("horse"))
    }

    @Test func whatDidNotHappenHasNone() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        let item = try await harness.content("tool", "1")
        let before = try await events(harness).count
        _ = try await failure { try await harness.customer() }
        _ = try await failure { try await harness.order(acme, [item]) }
        try await harness.grant(acme, "tool", orderLimit: 1)
        let id = RequestID.random()
        let first = try await harness.order(acme, [item], id: id)
        // The same request again, and another that resumes its order, are that order.
        #expect(try await harness.order(acme, [item], id: id).order == first.order)
        #expect(try await harness.order(acme, [item]).order == first.order)
        let create = CustomerCreate(customer: try CustomerName("b"), password: .correct)
        for _ in 0..<2 { _ = try await harness.operators.send(create, id: RequestID(high: 1, low: 1)) }
        #expect(
            try await events(harness).dropFirst(before).map(line) == [
                "change.made entitlement granted acme tool entitlement 1", "order.placed acme tool 1",
                "change.made customer created b",
            ])
    }

    @Test(.timeLimit(.minutes(1))) func thePipelineFetchesAndAcknowledges() async throws {
        let harness = try Harness()
        let pipe = TableTransport(table: harness.table, link: .pipe)
        try await harness.customer("a")
        try await harness.customer("b")
        let first = try await pipe.send(OutboxNext(after: 0, wait: 0, limit: 1))
        #expect(first.rows.map(\.number) == [1])
        let second = try await pipe.send(
            OutboxNext(
                after: 1, incarnation: first.incarnation, last: try Event(record: first.rows[0].record).id, wait: 0))
        #expect(second.rows.map(\.number) == [2] && second.incarnation == first.incarnation)
        try await harness.watching {
            async let waiting = pipe.send(OutboxNext(after: 2, incarnation: first.incarnation, wait: 60_000))
            try await eventually("the question waits") { harness.service.watch.waiting == 1 }
            try await harness.customer("c")
            let third = try await waiting
            #expect(third.rows.map(\.number) == [3])
        }
        _ = try await pipe.send(OutboxAcknowledge(incarnation: first.incarnation, through: 2))
        harness.clock.advance(AuthService.eventLifetime + 1)
        try await harness.service.forgetOldEvents()
        #expect(try await pipe.send(OutboxNext(after: 0, wait: 0)).rows.map(\.number) == [3])
        let other = try await failure {
            try await pipe.send(OutboxAcknowledge(incarnation: ID128(high: 0, low: 0), through: 3))
        }
        #expect(other.code == .badRequest)
        #expect(try await failure { try await harness.web.send(OutboxNext(after: 0, wait: 0)) }.code == .notServed)
    }

    /// After a backup took its place the outbox gives numbers anew; the log must not take them for those it has.
    @Test(arguments: [0, 1, 3]) func aRestoredOutboxIsAnother(eventsAfter: Int) async throws {
        let directory = try TemporaryDirectory("auth")
        let backup = directory("backup.sqlite")
        let before = try Harness(directory: directory)
        try await before.customer("c0")
        try await before.sql("VACUUM INTO '\(backup)'")
        try await before.customer("c1")
        let known = try await TableTransport(table: before.table, link: .pipe).send(OutboxNext(after: 0, wait: 0))
        let last = try Event(record: try #require(known.rows.last).record).id
        try await before.database.close()
        try await command("cp", backup, before.path).succeeded()
        let after = try Harness(directory: directory)
        for number in 0..<eventsAfter { try await after.customer("d\(number)") }
        let reply = try await TableTransport(table: after.table, link: .pipe).send(
            OutboxNext(after: 2, incarnation: known.incarnation, last: last, wait: 0))
        #expect(reply.incarnation != known.incarnation)
        #expect(reply.rows.map(\.number) == Array(1...(1 + eventsAfter)))
        #expect(after.log.text.contains("restored from a backup"))
    }
}
