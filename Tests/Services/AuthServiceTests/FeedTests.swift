import Clients
import ChangeFeed
import FFSModel
import Requests
import SystemSupport
import TestSupport
import Testing

@testable import AuthService

/// `feed.*`: who asks hears of every commit, whoever made it, and of nothing that is not committed.
@Suite struct FeedTests {
    @Test func aHostThatKnowsNothingTakesTheHead() async throws {
        let harness = try Harness()
        #expect(try await harness.next(after: nil).position == .empty)
        try await harness.customer()
        let first = try await harness.next(after: nil, wait: 60_000)
        #expect(first.isReset && first.isAtHead && first.rows.isEmpty)
        #expect(first.position.number == 1)
        #expect(first.position == (try await harness.head()))
    }

    @Test func rowsComeInPagesAndTheLastIsAtTheHead() async throws {
        let harness = try Harness()
        try await harness.customer("first")
        let begin = try await harness.next(after: nil).position
        for number in 0..<5 { try await harness.customer("c\(number)") }
        var (position, lines, answers) = (begin, [String](), 0)
        while true {
            let answer = try await harness.next(after: position, limit: 2)
            lines += answer.lines
            position = answer.position
            answers += 1
            if answer.isAtHead { break }
        }
        #expect(lines == (0..<5).map { "insert customer c\($0)" })
        #expect(answers == 3)
        #expect(position == (try await harness.head()))
    }

    @Test(.timeLimit(.minutes(1))) func aQuestionWaitsForACommit() async throws {
        let harness = try Harness()
        try await harness.customer()
        let head = try await harness.head()
        try await harness.watching {
            // Nothing happens: the whole time, and then "at the head".
            let start = ContinuousClock.now
            let nothing = try await harness.next(after: head, wait: 200)
            #expect(nothing.rows.isEmpty && nothing.isAtHead && nothing.position == head)
            #expect(ContinuousClock.now - start >= .milliseconds(200))
            // SQL that tells nobody.
            async let raw = harness.next(after: head, wait: 60_000)
            try await eventually("the question waits") { harness.service.watch.waiting == 1 }
            try await harness.sql("UPDATE customers SET expires = 1")
            let first = try await raw
            #expect(first.lines == ["update customer acme"])
            // A change by ffsauthd itself, in whose orders and replies the feed has no part.
            async let own = harness.next(after: first.position, wait: 60_000)
            try await eventually("the question waits") { harness.service.watch.waiting == 1 }
            try await harness.sql("UPDATE customers SET display_name = 'Other'")
            _ = try await harness.operators.send(CustomerDelete(customer: try CustomerName("acme")))
            let second = try await own
            #expect(second.lines == ["delete customer acme"])
        }
    }

    @Test(.timeLimit(.minutes(1))) func aLaterQuestionEndsTheEarlierOne() async throws {
        let harness = try Harness()
        try await harness.customer()
        let head = try await harness.head()
        try await harness.watching {
            async let earlier = harness.next(after: head, wait: 60_000)
            async let other = harness.next("storage-2", after: head, wait: 60_000)
            try await eventually("both wait") { harness.service.watch.waiting == 2 }
            async let later = harness.next(after: head, wait: 60_000)
            let answer = try await earlier
            #expect(answer.rows.isEmpty && answer.isAtHead)
            try await eventually("both wait") { harness.service.watch.waiting == 2 }
            // At the end nobody is kept waiting, and nobody waits any more.
            harness.service.watch.stop()
            let ended = try await [later, other]
            #expect(ended.map(\.position) == [head, head])
            #expect(try await harness.next(after: head, wait: 60_000).isAtHead)
        }
    }

    @Test func aPositionThatIsNotOfThisFeedIsReset() async throws {
        let harness = try Harness()
        for number in 0..<3 { try await harness.customer("c\(number)") }
        let rows = try await harness.database.read { try $0.changes(after: 0, limit: 9) }
        let head = rows[2].position
        let higher = FeedPosition(number: 4, nonce: head.nonce)
        let other = FeedPosition(number: 2, nonce: rows[1].position.nonce ^ 1)
        for position in [higher, other, .empty] {
            let answer = try await harness.next(after: position)
            #expect(answer.isReset && answer.rows.isEmpty && answer.position == head, "\(position)")
        }
        #expect(try await harness.next(after: rows[0].position).lines == ["insert customer c1", "insert customer c2"])
        // What is held was read from a position that is gone.
        #expect(try await harness.next(after: rows[0].position, seen: [head]).rows.count == 2)
        #expect(try await harness.next(after: rows[0].position, seen: [head, higher]).isReset)
    }

    /// Whatever was done after the backup (less than before it was restored, as much, or more), the host begins anew.
    @Test(arguments: [0, 2, 5]) func aRestoredDatabaseIsNoticed(changesAfter: Int) async throws {
        let directory = try TemporaryDirectory("auth")
        let backup = directory("backup.sqlite")
        let before = try Harness(directory: directory)
        try await before.customer("c0")
        try await before.sql("VACUUM INTO '\(backup)'")
        for number in 1...2 { try await before.customer("c\(number)") }
        let known = try await before.head()
        #expect(known.number == 3)
        try await before.database.close()
        try await command("cp", backup, before.path).succeeded()
        let after = try Harness(directory: directory)
        for number in 0..<changesAfter { try await after.customer("d\(number)") }
        let answer = try await after.next(after: known)
        #expect(answer.isReset && answer.position.number == 1 + changesAfter)
    }

    @Test func statusTellsHowFarEachHostIs() async throws {
        let harness = try Harness()
        for number in 0..<3 { try await harness.customer("c\(number)") }
        let rows = try await harness.database.read { try $0.changes(after: 0, limit: 9) }
        _ = try await harness.next("storage-2", after: rows[0].position)
        _ = try await harness.web.send(
            FeedAcknowledge(node: try NodeName("storage-1"), position: rows[1].position, lease: 30_500))
        let status = try await harness.operators.send(FeedStatus())
        #expect(status.head == rows[2].position && status.rows == 3)
        #expect(status.hosts.map(\.node.text) == ["storage-1", "storage-2"])
        #expect(status.hosts.map(\.number) == [2, 0])
        #expect(status.hosts.map(\.lag) == [1, 3])
        #expect(status.hosts.map(\.lease) == [30, 0])
        #expect(try await failure { try await harness.web.send(FeedStatus()) }.code == .notServed)
    }

    @Test func trimmingFollowsTheSlowestLiveHost() async throws {
        let steady = TestClock()
        let harness = try Harness(steady: { steady.now.seconds * 1_000_000_000 })
        for number in 0..<5 { try await harness.customer("c\(number)") }
        let rows = try await harness.database.read { try $0.changes(after: 0, limit: 9) }
        func acknowledge(_ node: String, _ number: Int) async throws {
            _ = try await harness.web.send(
                FeedAcknowledge(node: try NodeName(node), position: rows[number - 1].position, lease: 0))
        }
        func kept() async throws -> [Int] {
            try await harness.service.forgetOldChanges()
            return try await harness.database.read { try $0.changes(after: 0, limit: 9).map(\.position.number) }
        }
        try await acknowledge("storage-1", 5)
        // Just started: there may be hosts that have not asked yet.
        #expect(try await kept() == [1, 2, 3, 4, 5])
        steady.advance(3_600)
        try await acknowledge("storage-1", 5)
        try await acknowledge("storage-2", 3)
        #expect(try await kept() == [3, 4, 5])
        #expect(try await harness.next("storage-2", after: rows[2].position).rows.count == 2)
        // The slow one was never heard of again.
        steady.advance(3_601)
        try await acknowledge("storage-1", 5)
        #expect(try await kept() == [5])
        #expect(try await harness.next("storage-2", after: rows[2].position).isReset)
    }

    @Test func ordersAreCheckedByNumber() async throws {
        let harness = try Harness()
        let acme = try await harness.customer()
        try await harness.content("tool", "1")
        let item = try await harness.content("kit", "2")
        try await harness.grant(acme, "tool")
        try await harness.grant(acme, "kit", policy: .cut, orderLimit: 1)
        let both = try await harness.order(
            acme, [Item(product: try ProductName("tool"), version: try VersionName("1")), item])
        #expect(both.position == (try await harness.head()))
        func check() async throws -> [OrderCheck.Standing] {
            let reply = try await harness.web.send(OrderCheck(orders: [both.order, 4_711]))
            #expect(reply.position == (try await harness.head()))
            return reply.standings
        }
        // Its own order does not count against it.
        #expect(try await check() == [.init(order: both.order, stands: true, policy: .cut, until: nil)])
        _ = try await harness.operators.send(ContentWithdraw(product: item.product, version: item.version))
        #expect(try await check() == [.init(order: both.order, stands: false, policy: .cut, until: nil)])
    }
}
