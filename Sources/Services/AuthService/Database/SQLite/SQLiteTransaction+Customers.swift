import FFSModel
import GRDB
import Requests

extension SQLiteTransaction {
    func credentials(of customer: CustomerName) throws -> Credentials? {
        let row = try Row.fetchOne(
            db, sql: "SELECT display_name, status, expires, password_hash, generation FROM customers WHERE name = ?",
            arguments: [customer.text])
        return try row.map { row in
            Credentials(
                customer: customer, displayName: try row.text("display_name"),
                status: try row.value("status", CustomerRecord.Status.init),
                expires: row.optionalTimestamp("expires"),
                password: (row["password_hash"] as String?).map(PasswordHash.init),
                generation: try row.integer("generation"))
        }
    }

    /// All but the hash: what is not read cannot leak.
    private static let columns = "name, display_name, status, expires, created, password_set"

    func customer(_ name: CustomerName) throws -> CustomerRecord? {
        try Row.fetchOne(
            db, sql: "SELECT \(Self.columns) FROM customers WHERE name = ?", arguments: [name.text]
        ).map(Self.record)
    }

    func customers(after: CustomerName?, limit: Int) throws -> [CustomerRecord] {
        try Row.fetchAll(
            db, sql: "SELECT \(Self.columns) FROM customers WHERE name > ? ORDER BY name LIMIT ?",
            arguments: [after?.text ?? "", limit]
        ).map(Self.record)
    }

    private static func record(_ row: Row) throws -> CustomerRecord {
        CustomerRecord(
            customer: try row.name("name"), displayName: try row.text("display_name"),
            status: try row.value("status", CustomerRecord.Status.init), expires: row.optionalTimestamp("expires"),
            created: try row.timestamp("created"), passwordSet: row.optionalTimestamp("password_set"))
    }

    func insert(_ customer: NewCustomer) throws {
        try db.execute(
            sql: """
                INSERT INTO customers (name, display_name, expires, password_hash, password_set, created)
                VALUES (?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                customer.customer.text, customer.displayName, customer.expires?.seconds, customer.password?.text,
                customer.password == nil ? nil : customer.created.seconds, customer.created.seconds,
            ])
    }

    func update(
        _ customer: CustomerName, displayName: String?, status: CustomerRecord.Status?, expires: Deadline?
    ) throws -> Bool {
        try db.execute(
            sql: """
                UPDATE customers SET display_name = coalesce(:display_name, display_name),
                    status = coalesce(:status, status), expires = CASE WHEN :sets_expires THEN :expires ELSE expires END
                WHERE name = :name
                """,
            arguments: [
                "display_name": displayName, "status": status?.rawValue, "sets_expires": expires != nil,
                "expires": expires?.timestamp?.seconds, "name": customer.text,
            ])
        return db.changesCount == 1
    }

    func setPassword(_ password: PasswordHash, of customer: CustomerName, at time: Timestamp) throws {
        try db.execute(
            sql: "UPDATE customers SET password_hash = ?, password_set = ? WHERE name = ?",
            arguments: [password.text, time.seconds, customer.text])
    }

    func renewPassword(_ old: PasswordHash, by renewed: PasswordHash, of customer: CustomerName) throws {
        let generation = try Int.fetchOne(
            db, sql: "SELECT generation FROM customers WHERE name = ? AND password_hash = ?",
            arguments: [customer.text, old.text])
        guard let generation else { return }
        try db.execute(
            sql: "UPDATE customers SET password_hash = ? WHERE name = ?", arguments: [renewed.text, customer.text])
        try db.execute(
            sql: "UPDATE customers SET generation = ? WHERE name = ?", arguments: [generation, customer.text])
    }

    func delete(_ customer: CustomerName) throws -> Bool {
        try db.execute(sql: "DELETE FROM customers WHERE name = ?", arguments: [customer.text])
        return db.changesCount == 1
    }
}
