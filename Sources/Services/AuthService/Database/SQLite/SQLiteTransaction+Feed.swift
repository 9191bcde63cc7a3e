import ChangeFeed
import FFSModel
import FoundationEssentials
import GRDB
import Requests

/// The change feed and the outbox.
extension SQLiteTransaction {
    func feedHead() throws -> FeedPosition {
        let row = try Row.fetchOne(db, sql: "SELECT sequence, nonce FROM change_feed ORDER BY sequence DESC LIMIT 1")
        return try row.map(Self.position) ?? .empty
    }

    func feedNonce(of number: Int) throws -> UInt64? {
        try Int64.fetchOne(db, sql: "SELECT nonce FROM change_feed WHERE sequence = ?", arguments: [number])
            .map { UInt64(bitPattern: $0) }
    }

    func changes(after number: Int, limit: Int) throws -> [FeedRow] {
        let rows = try Row.fetchAll(
            db, sql: "SELECT * FROM change_feed WHERE sequence > ? ORDER BY sequence LIMIT ?",
            arguments: [number, limit])
        return try rows.map { row in
            var keys: [FeedRow.Column: String] = [:]
            for column in FeedRow.Column.allCases { keys[column] = row[column.rawValue] }
            return FeedRow(
                position: try Self.position(row), entity: try row.value("entity", FeedRow.Entity.init),
                operation: try row.value("operation", FeedRow.Operation.init), keys: keys)
        }
    }

    private static func position(_ row: Row) throws -> FeedPosition {
        FeedPosition(
            number: try row.integer("sequence"), nonce: UInt64(bitPattern: Int64(try row.integer("nonce"))))
    }

    func changeCount() throws -> Int { try Int.fetchOne(db, sql: "SELECT count(*) FROM change_feed") ?? 0 }

    func forgetChanges(below floor: Int, before time: Timestamp, atMost count: Int) throws -> Int {
        // Looks at the oldest rows alone: the feed is in order of time, and has no index by it.
        try db.execute(
            sql: """
                DELETE FROM change_feed WHERE sequence < (SELECT max(sequence) FROM change_feed) AND sequence <= (
                    SELECT max(sequence) FROM (SELECT sequence, at FROM change_feed ORDER BY sequence LIMIT :count)
                    WHERE sequence < :floor OR at < :time)
                """, arguments: ["count": count, "floor": floor, "time": time.seconds])
        return db.changesCount
    }

    func outboxIncarnation() throws -> ID128 {
        guard let row = try Row.fetchOne(db, sql: "SELECT incarnation FROM outbox_state") else {
            throw Failure(.corrupt, "the master database's outbox has no incarnation; restore a backup")
        }
        return try row.value("incarnation") { ID128($0) }
    }

    func events(after number: Int, limit: Int) throws -> [OutboxNext.Row] {
        try Row.fetchAll(
            db, sql: "SELECT number, record FROM outbox WHERE number > ? ORDER BY number LIMIT ?",
            arguments: [number, limit]
        ).map { OutboxNext.Row(number: try $0.integer("number"), record: [UInt8]($0["record"] as Data)) }
    }

    func newestEvent() throws -> Int { try Int.fetchOne(db, sql: "SELECT max(number) FROM outbox") ?? 0 }

    func append(_ record: [UInt8], at time: Timestamp) throws {
        try db.execute(
            sql: "INSERT INTO outbox (at, record) VALUES (?, ?)", arguments: [time.seconds, Data(record)])
    }

    func acknowledgeEvents(through number: Int) throws {
        try db.execute(sql: "UPDATE outbox_state SET acknowledged = max(acknowledged, ?)", arguments: [number])
    }

    func forgetEvents(before time: Timestamp, atMost count: Int) throws -> Int {
        // The newest stays: by it a restored database is known from this one.
        try db.execute(
            sql: """
                DELETE FROM outbox WHERE number < (SELECT max(number) FROM outbox) AND number <= (
                    SELECT max(number) FROM (SELECT number, at FROM outbox ORDER BY number LIMIT :count)
                    WHERE at < :time AND number <= (SELECT acknowledged FROM outbox_state))
                """, arguments: ["count": count, "time": time.seconds])
        return db.changesCount
    }

    func renewOutbox() throws {
        try db.execute(sql: "UPDATE outbox_state SET incarnation = lower(hex(randomblob(16))), acknowledged = 0")
    }
}
