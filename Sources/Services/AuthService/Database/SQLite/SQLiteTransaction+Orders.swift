import FFSModel
import GRDB
import Requests

extension SQLiteTransaction {
    func insert(_ order: NewOrder) throws -> Int {
        try db.execute(
            sql: "INSERT INTO orders (customer, placed, source, policy, ends, trace) VALUES (?, ?, ?, ?, ?, ?)",
            arguments: [
                order.customer.text, order.placed.seconds, order.source, order.policy.description,
                order.until?.seconds, order.trace.description,
            ])
        let number = Int(db.lastInsertedRowID)
        for (position, offer) in order.items.enumerated() {
            let item = offer.entitlement.item
            try db.execute(
                sql: """
                    INSERT INTO order_items (order_number, position, product, version, manifest, entitlement)
                    VALUES (?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    number, position, item.product.text, item.version.text, offer.manifest.description, offer.grant,
                ])
        }
        return number
    }

    func charge(_ order: Int, to offers: [Offer]) throws {
        for offer in offers {
            let item = offer.entitlement.item
            try db.execute(
                sql: "UPDATE order_items SET entitlement = ? WHERE order_number = ? AND product = ? AND version = ?",
                arguments: [offer.grant, order, item.product.text, item.version.text])
        }
    }

    func orders(of customer: CustomerName?, after: Int?, limit: Int) throws -> [OrderRecord] {
        var filter = Filter()
        if let customer { filter.add("customer = :customer", ["customer": customer.text]) }
        if let after { filter.add("number < :after", ["after": after]) }
        let rows = try Row.fetchAll(
            db, sql: "SELECT * FROM orders WHERE \(filter.sql) ORDER BY number DESC LIMIT :limit",
            arguments: filter.arguments + ["limit": limit])
        return try rows.map(record)
    }

    func order(_ number: Int) throws -> OrderRecord? {
        try Row.fetchOne(db, sql: "SELECT * FROM orders WHERE number = ?", arguments: [number]).map(record)
    }

    func limitedOrders(of customer: CustomerName, since: Timestamp) throws -> [OrderRecord] {
        try Row.fetchAll(
            db,
            sql: """
                SELECT * FROM (SELECT * FROM orders WHERE customer = ? ORDER BY number DESC LIMIT 100)
                WHERE placed >= ? AND EXISTS (
                    SELECT 1 FROM order_items i JOIN entitlements e ON e.id = i.entitlement
                    WHERE i.order_number = number AND e.order_limit IS NOT NULL)
                ORDER BY number DESC
                """, arguments: [customer.text, since.seconds]
        ).map(record)
    }

    private func record(_ row: Row) throws -> OrderRecord {
        let number = try row.integer("number")
        return OrderRecord(
            order: number, customer: try row.name("customer"), items: try items(of: number),
            placed: try row.timestamp("placed"), source: try row.text("source"),
            policy: try row.value("policy", ExpiryPolicy.init), until: row.optionalTimestamp("ends"),
            trace: try row.value("trace") { TraceID($0) })
    }

    private func items(of order: Int) throws -> [Item] {
        try Row.fetchAll(
            db, sql: "SELECT product, version FROM order_items WHERE order_number = ? ORDER BY position",
            arguments: [order]
        ).map { Item(product: try $0.name("product"), version: try $0.name("version")) }
    }
}
