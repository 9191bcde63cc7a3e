import FFSModel
import GRDB
import Requests

extension SQLiteTransaction {
    private static let select = """
        SELECT e.*, (SELECT count(DISTINCT i.order_number) FROM order_items i WHERE i.entitlement = e.id) AS orders
        FROM entitlements e
        """

    func entitlement(_ id: Int) throws -> EntitlementRecord? {
        try Row.fetchOne(db, sql: "\(Self.select) WHERE e.id = ?", arguments: [id]).map(Self.record)
    }

    func entitlements(
        of customer: CustomerName?, to product: ProductName?, standingAt now: Timestamp?, after: Int, limit: Int
    ) throws -> [EntitlementRecord] {
        var filter = Filter()
        filter.add("e.id > :after", ["after": after])
        if let customer { filter.add("e.customer = :customer", ["customer": customer.text]) }
        if let product { filter.add("e.product = :product", ["product": product.text]) }
        if let now { filter.add("e.revoked IS NULL AND (e.ends IS NULL OR e.ends > :now)", ["now": now.seconds]) }
        return try Row.fetchAll(
            db, sql: "\(Self.select) WHERE \(filter.sql) ORDER BY e.id LIMIT :limit",
            arguments: filter.arguments + ["limit": limit]
        ).map(Self.record)
    }

    private static func record(_ row: Row) throws -> EntitlementRecord {
        EntitlementRecord(
            id: try row.integer("id"), customer: try row.name("customer"), product: try row.name("product"),
            version: try row.optionalName("version"), from: try row.timestamp("starts"),
            until: row.optionalTimestamp("ends"), policy: try row.value("policy", ExpiryPolicy.init),
            orderLimit: row.optionalInteger("order_limit"), orders: try row.integer("orders"),
            revoked: row.optionalTimestamp("revoked"))
    }

    func insert(_ grant: EntitlementGrant, from start: Timestamp) throws -> Int {
        try db.execute(
            sql: """
                INSERT INTO entitlements (customer, product, version, starts, ends, policy, order_limit)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                grant.customer.text, grant.product.text, grant.version?.text, start.seconds, grant.until?.seconds,
                grant.policy.description, grant.orderLimit,
            ])
        return Int(db.lastInsertedRowID)
    }

    func revokeEntitlement(_ id: Int, at time: Timestamp) throws {
        try db.execute(
            sql: "UPDATE entitlements SET revoked = ? WHERE id = ? AND revoked IS NULL", arguments: [time.seconds, id])
    }
}
