import Events
import FFSModel
import Logging
import Requests
import Tobj

/// `outbox.*`, and the events that go there.
extension AuthService {
    func addOutbox(to table: inout RequestTable) {
        table.on(OutboxNext.self) { message, _ in try await next(message) }
        table.on(OutboxAcknowledge.self) { message, _ in
            try await database.write { db in
                guard try db.outboxIncarnation() == message.incarnation else {
                    throw Failure(
                        .badRequest, "the outbox is another one than acknowledged; ask for its events from the first")
                }
                try db.acknowledgeEvents(through: min(message.through, try db.newestEvent()))
            }
            return Done()
        }
    }

    private func next(_ message: OutboxNext) async throws -> OutboxNext.Reply {
        let deadline = watch.steady() + Int64(message.wait) * 1_000_000
        let id = watch.ticket()
        try await renewIfRestored(message)
        // Another incarnation's numbers say nothing here.
        let known = message.incarnation
        while true {
            let mark = watch.mark
            let reply = try await database.read { db in
                let incarnation = try db.outboxIncarnation()
                let after = known == nil || known == incarnation ? message.after : 0
                let candidates = try db.events(after: after, limit: message.limit)
                let (rows, _) = PageBudget.fit(candidates, limit: message.limit) { Element("row", children: $0.body) }
                return OutboxNext.Reply(incarnation: incarnation, rows: rows)
            }
            guard reply.rows.isEmpty, !watch.hasStopped, watch.steady() < deadline else { return reply }
            try await watch.wait(id, for: .outbox, past: mark, until: deadline)
            try Task.checkCancellation()
        }
    }

    /// A database that was restored from a backup has given, or will give, numbers that the log knows to other events. The event
    /// that the asker has last tells: it has to be here under its number.
    private func renewIfRestored(_ message: OutboxNext) async throws {
        guard message.after > 0 else { return }
        let isKnown = try await database.read { try Self.has(message, $0) }
        guard !isKnown else { return }
        try await database.write { db in if try !Self.has(message, db) { try db.renewOutbox() } }
        logger.warning(
            "the master database was restored from a backup, as the log has events that are not in it; its events go on under another incarnation",
            metadata: ["number": "\(message.after)"])
    }

    private static func has(_ message: OutboxNext, _ db: any MasterReading) throws -> Bool {
        guard let incarnation = message.incarnation, incarnation == (try db.outboxIncarnation()) else { return true }
        guard message.after <= (try db.newestEvent()) else { return false }
        // Dropped long ago: the log was restored, and what it lacks is gone.
        guard let row = try db.events(after: message.after - 1, limit: 1).first, row.number == message.after else {
            return true
        }
        guard let last = message.last else { return true }
        return try Event(record: row.record).id == last
    }
}

extension AuthService {
    /// What somebody changed, by the words that `outcome` may have.
    enum Deed: String {
        case created, changed, deleted, password, granted, revoked, registered, replaced, restored, withdrawn
    }

    /// Appends `change.made` to the outbox, in the transaction of the change.
    static func record(
        _ deed: Deed, of entity: String, _ context: RequestContext, at now: Timestamp, _ db: any MasterWriting,
        _ fill: (inout Event) -> Void
    ) throws {
        var event = event(.changeMade, context, at: now)
        event.set(.entity, entity)
        event.set(.outcome, deed.rawValue)
        event.set(.actor, context.peer)
        event.set(.link, context.link.rawValue)
        fill(&event)
        try db.append(event.record, at: now)
    }

    static func event(_ type: EventType, _ context: RequestContext, at now: Timestamp) -> Event {
        var event = Event(type, time: now.seconds * 1_000_000_000)
        event.set(.trace, context.trace)
        return event
    }
}

extension Event {
    mutating func set(_ item: Item) {
        set(.product, item.product.text)
        set(.version, item.version.text)
    }
}
