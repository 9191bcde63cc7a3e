import Databases
import FFSModel
import FoundationEssentials
import GRDB
import Pipeline
package import SystemSupport
import Transparency

/// The log in one SQLite file.
package final class SQLiteLogStore: LogStore {
    private let file: SQLiteFile

    /// Opens the file, or makes it; see ``SQLiteFile``.
    package init(path: String, owner: SystemUser) throws {
        file = try SQLiteFile(
            SQLiteFile.Kind(
                noun: "log database", option: "pipeline.log", daemon: "ffspiped",
                applicationID: LogSchema.applicationID, migrator: LogSchema.migrator, cache: 65_536),
            path: path, owner: owner)
    }

    package func read<Value: Sendable>(
        _ body: @escaping @Sendable (any LogReading) throws -> Value
    ) async throws -> Value {
        try await file.read { try body(SQLiteLog(db: $0)) }
    }

    package func write<Value: Sendable>(
        _ body: @escaping @Sendable (any LogWriting) throws -> Value
    ) async throws -> Value {
        try await file.write { try body(SQLiteLog(db: $0)) }
    }

    package func close() async throws { try await file.close() }
}

/// One transaction.
struct SQLiteLog: LogWriting {
    let db: Database

    func head() throws -> LogHead? {
        try Row.fetchOne(db, sql: "SELECT origin, size FROM head").map {
            LogHead(origin: $0["origin"], size: UInt64(bitPattern: $0["size"] as Int64))
        }
    }

    func set(_ head: LogHead) throws {
        try execute(
            "INSERT INTO head (id, origin, size) VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET origin = excluded.origin, size = excluded.size",
            [head.origin, Int64(head.size)])
    }

    func producer(_ id: ProducerID) throws -> Producer? {
        let row = try Row.fetchOne(
            db.cachedStatement(
                sql: "SELECT id, mark, hash FROM producers WHERE node = ? AND incarnation = ? AND segment = ?"),
            arguments: [id.node.text, Data(id.incarnation.bytes), Data(id.segment.bytes)])
        return try row.map { row in
            guard let hash = RunningHash(bytes: row.bytes("hash") ?? []) else { throw damaged("a producer's hash") }
            return Producer(
                row: row["id"], mark: ProducerMark(offset: UInt64(bitPattern: row["mark"] as Int64), hash: hash))
        }
    }

    func producer(_ id: ProducerID, at time: Timestamp) throws -> Producer {
        if let known = try producer(id) { return known }
        try execute(
            "INSERT INTO producers (node, incarnation, segment, stream, mark, hash, arrived) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                id.node.text, Data(id.incarnation.bytes), Data(id.segment.bytes), id.stream,
                Int64(ProducerMark.start.offset), Data(ProducerMark.start.hash.bytes), time.seconds,
            ])
        return Producer(row: db.lastInsertedRowID, mark: .start)
    }

    func move(_ producer: Producer, to mark: ProducerMark, ended: Bool, at time: Timestamp) throws {
        try execute(
            "UPDATE producers SET mark = ?, hash = ?, ended = ?, arrived = ? WHERE id = ?",
            [Int64(bitPattern: mark.offset), Data(mark.hash.bytes), ended ? 1 : 0, time.seconds, producer.row])
    }

    func customer(number: UInt64) throws -> [UInt8]? {
        try Row.fetchOne(db, sql: "SELECT name FROM customers WHERE number = ?", arguments: [Int64(number)])?
            .bytes("name")
    }

    func number(ofCustomer name: [UInt8]) throws -> UInt64 {
        let select = try db.cachedStatement(sql: "SELECT number FROM customers WHERE name = ?")
        if let number = try Int64.fetchOne(select, arguments: [Data(name)]) { return UInt64(number) }
        try execute("INSERT INTO customers (name) VALUES (?)", [Data(name)])
        return UInt64(db.lastInsertedRowID)
    }

    func execute(_ sql: String, _ arguments: StatementArguments) throws {
        try db.cachedStatement(sql: sql).execute(arguments: arguments)
    }

    func damaged(_ what: String) -> Failure {
        Failure(.corrupt, "the log database holds \(what) that FFS cannot read; restore it from a backup")
    }
}

extension Row {
    func bytes(_ column: String) -> [UInt8]? { (self[column] as Data?).map { Array($0) } }
}
