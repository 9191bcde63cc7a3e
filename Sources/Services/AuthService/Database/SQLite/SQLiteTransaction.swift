import FFSModel
import GRDB
import Requests

/// One transaction on SQLite; its methods are in the files beside this one, a table group each.
struct SQLiteTransaction: MasterWriting {
    let db: Database
}

/// The conditions of a statement: only those asked for, as `:x IS NULL OR …` would keep SQLite from every index.
struct Filter {
    private var conditions: [String] = []
    private(set) var arguments = StatementArguments()

    mutating func add(_ condition: String, _ values: StatementArguments) {
        conditions.append("(\(condition))")
        arguments += values
    }

    /// What stands behind WHERE.
    var sql: String { conditions.isEmpty ? "true" : conditions.joined(separator: " AND ") }
}

/// Turns columns into values. What does not parse was not written by FFS and not caught by a check: `corrupt`.
extension Row {
    func value<Value>(_ column: String, _ make: (String) -> Value?) throws -> Value {
        guard let text: String = self[column], let value = make(text) else { throw corrupt(column) }
        return value
    }

    func name<N: Name>(_ column: String, as type: N.Type = N.self) throws -> N {
        try value(column) { try? N($0) }
    }

    func optionalName<N: Name>(_ column: String, as type: N.Type = N.self) throws -> N? {
        (self[column] as String?) == nil ? nil : try name(column)
    }

    func text(_ column: String) throws -> String { try value(column) { $0 } }

    func integer(_ column: String) throws -> Int {
        guard let value: Int = self[column] else { throw corrupt(column) }
        return value
    }

    func optionalInteger(_ column: String) -> Int? { self[column] }

    func timestamp(_ column: String) throws -> Timestamp { Timestamp(seconds: Int64(try integer(column))) }

    func optionalTimestamp(_ column: String) -> Timestamp? {
        optionalInteger(column).map { Timestamp(seconds: Int64($0)) }
    }

    private func corrupt(_ column: String) -> Failure {
        Failure(
            .corrupt,
            "the master database holds a value of \(column) that FFS cannot read; mend the row by SQL or restore a backup"
        )
    }
}

extension SQLiteTransaction {
    func storedReply(to id: RequestID) throws -> StoredReply? {
        let row = try Row.fetchOne(
            db, sql: "SELECT fingerprint, document, at FROM replies WHERE request = ?",
            arguments: [id.description])
        return try row.map { row in
            StoredReply(
                fingerprint: try row.text("fingerprint"), document: Array(try row.text("document").utf8),
                at: try row.timestamp("at"))
        }
    }

    func store(_ reply: StoredReply, to id: RequestID) throws {
        try db.execute(
            sql: "INSERT OR REPLACE INTO replies (request, fingerprint, document, at) VALUES (?, ?, ?, ?)",
            arguments: [
                id.description, reply.fingerprint, String(decoding: reply.document, as: UTF8.self), reply.at.seconds,
            ])
    }

    func forgetReplies(before time: Timestamp) throws {
        try db.execute(sql: "DELETE FROM replies WHERE at < ?", arguments: [time.seconds])
    }

    func nodes(after: NodeName?, limit: Int) throws -> [NodeRecord] {
        let rows = try Row.fetchAll(
            db, sql: "SELECT * FROM nodes WHERE name > ? ORDER BY name LIMIT ?", arguments: [after?.text ?? "", limit])
        return try rows.map { row in
            NodeRecord(
                node: try row.name("name"), role: try row.value("role", NodeRecord.Role.init),
                address: try row.text("address"), registered: try row.timestamp("registered"))
        }
    }

    func upsert(_ node: NodeRegister, at time: Timestamp) throws {
        try db.execute(
            sql: """
                INSERT INTO nodes (name, role, address, registered) VALUES (?, ?, ?, ?)
                ON CONFLICT (name) DO UPDATE SET role = excluded.role, address = excluded.address
                """,
            arguments: [node.node.text, node.role.rawValue, node.address, time.seconds])
    }
}
