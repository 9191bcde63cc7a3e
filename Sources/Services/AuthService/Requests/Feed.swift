import ChangeFeed
import FFSModel
import Requests
import Tobj

/// `feed.*` and `order.check`.
extension AuthService {
    func addFeed(to table: inout RequestTable) {
        table.on(FeedNext.self) { message, _ in try await next(message) }
        table.on(FeedAcknowledge.self) { message, _ in
            let now = watch.steady()
            try hosts.hear(message.node, now: now)
            hosts.acknowledge(message, now: now)
            return Done()
        }
        table.on(FeedStatus.self) { _, _ in
            let (head, rows) = try await database.read { (try $0.feedHead(), try $0.changeCount()) }
            let hosts = hosts.status(head: head.number, now: watch.steady())
            return FeedStatus.Reply(head: head, rows: rows, hosts: hosts)
        }
        table.on(OrderCheck.self) { message, _ in
            let now = clock()
            return try await database.read { db in
                OrderCheck.Reply(
                    standings: try message.orders.compactMap { try Self.standing($0, at: now, db) },
                    position: try db.feedHead())
            }
        }
    }

    /// Every reading here begins after the question came, so that "at the head" is true of a moment after it was sent.
    private func next(_ message: FeedNext) async throws -> FeedAnswer {
        let start = watch.steady()
        try hosts.hear(message.node, now: start)
        let deadline = start + Int64(message.wait) * 1_000_000
        let id = watch.ticket()
        if let earlier = hosts.waits(message.node, as: id) { watch.wake(earlier) }
        while true {
            let mark = watch.mark
            let answer = try await database.read { try Self.answer(message, $0) }
            guard answer.rows.isEmpty, !answer.isReset, !watch.hasStopped, watch.steady() < deadline,
                hosts.isWaiting(message.node, as: id)
            else { return answer }
            try await watch.wait(id, for: .feed, past: mark, until: deadline)
            try Task.checkCancellation()
        }
    }

    private static func answer(_ message: FeedNext, _ db: any MasterReading) throws -> FeedAnswer {
        let head = try db.feedHead()
        func start(_ position: FeedPosition?) throws -> FeedStart {
            FeedStart(from: position, nonce: try position.flatMap { try db.feedNonce(of: $0.number) }, head: head)
        }
        var begin = try start(message.after)
        for seen in message.seen { begin = begin.holding(try start(seen)) }
        guard case .rows(let after) = begin else {
            return FeedAnswer(rows: [], position: head, isAtHead: true, isReset: true)
        }
        let (rows, more) = PageBudget.fit(
            try db.changes(after: after, limit: message.limit + 1), limit: message.limit
        ) { Element("row", children: $0.body) }
        return FeedAnswer(rows: rows, position: rows.last?.position ?? head, isAtHead: !more)
    }

    /// Whether the customer may still have all of the order; nil when there is no such order.
    private static func standing(
        _ number: Int, at now: Timestamp, _ db: any MasterReading
    ) throws -> OrderCheck.Standing? {
        guard let order = try db.order(number) else { return nil }
        let offers = try order.items.compactMap {
            try db.offer(of: $0, to: order.customer, at: now, holding: number)?.entitlement
        }
        guard offers.count == order.items.count else {
            return OrderCheck.Standing(order: number, stands: false, policy: order.policy, until: order.until)
        }
        return OrderCheck.Standing(
            order: number, stands: true, policy: strictest(offers.map(\.policy)),
            until: offers.compactMap(\.until).min())
    }
}
