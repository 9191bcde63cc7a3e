import FFSModel
import GRDB
import Requests

extension SQLiteTransaction {
    /// The offers of one customer, each version by one grant: an unlimited one before one that counts orders, then the
    /// one that ends last, then the oldest.
    private static let offers = """
        WITH standing AS (
            SELECT e.*, c.expires AS customer_expires
            FROM entitlements e JOIN customers c ON c.name = e.customer
            WHERE e.customer = :customer AND c.status = 'active' AND (c.expires IS NULL OR c.expires > :now)
                AND e.revoked IS NULL AND e.starts <= :now AND (e.ends IS NULL OR e.ends > :now)
                AND (e.order_limit IS NULL
                     OR (SELECT count(DISTINCT i.order_number) FROM order_items i
                         WHERE i.entitlement = e.id AND i.order_number IS NOT :holding) < e.order_limit)
        ), ranked AS (
            SELECT v.product, v.version, v.released, v.manifest, s.id, s.ends, s.policy, s.customer_expires,
                row_number() OVER (
                    PARTITION BY v.product, v.version
                    ORDER BY s.order_limit IS NOT NULL, s.ends IS NOT NULL, s.ends DESC, s.id) AS rank
            FROM standing s
            JOIN versions v ON v.product = s.product AND (s.version IS NULL OR s.version = v.version)
            WHERE v.status = 'published'
        )
        SELECT r.*, p.title, p.summary, c.size, c.files
        FROM ranked r JOIN products p ON p.name = r.product JOIN contents c ON c.manifest = r.manifest
        WHERE r.rank = 1
        """

    func offers(
        to customer: CustomerName, at now: Timestamp, after: Item?, holding: Int?, limit: Int
    ) throws -> [Offer] {
        var arguments: StatementArguments = [
            "customer": customer.text, "now": now.seconds, "holding": holding, "limit": limit,
        ]
        var page = ""
        if let after {
            guard let released = try version(after)?.released else {
                throw Failure(.badRequest, "<after> names a version that is gone; ask for the first page again")
            }
            page = """
                AND (r.product > :product OR r.product = :product AND (r.released < :released
                    OR r.released = :released AND r.version < :version))
                """
            arguments += [
                "product": after.product.text, "version": after.version.text, "released": released.seconds,
            ]
        }
        return try Row.fetchAll(
            db, sql: "\(Self.offers) \(page) ORDER BY r.product, r.released DESC, r.version DESC LIMIT :limit",
            arguments: arguments
        ).map(Self.offer)
    }

    func offer(of item: Item, to customer: CustomerName, at now: Timestamp) throws -> Offer? {
        try Row.fetchOne(
            db, sql: "\(Self.offers) AND r.product = :product AND r.version = :version",
            arguments: [
                "customer": customer.text, "now": now.seconds, "holding": nil, "product": item.product.text,
                "version": item.version.text,
            ]
        ).map(Self.offer)
    }

    private static func offer(_ row: Row) throws -> Offer {
        // Nothing outlives the customer.
        let until = [row.optionalTimestamp("ends"), row.optionalTimestamp("customer_expires")].compactMap(\.self).min()
        let entitlement = Entitlement(
            item: Item(product: try row.name("product"), version: try row.name("version")),
            title: try row.text("title"), summary: try row.text("summary"), size: try row.integer("size"),
            files: try row.integer("files"), released: try row.timestamp("released"), until: until,
            policy: try row.value("policy", ExpiryPolicy.init))
        return Offer(
            entitlement: entitlement, grant: try row.integer("id"),
            manifest: try row.value("manifest") { ContentDigest($0) })
    }

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
        try Row.fetchAll(
            db,
            sql: """
                \(Self.select)
                WHERE e.id > :after AND (:customer IS NULL OR e.customer = :customer)
                    AND (:product IS NULL OR e.product = :product)
                    AND (:now IS NULL OR e.revoked IS NULL AND (e.ends IS NULL OR e.ends > :now))
                ORDER BY e.id LIMIT :limit
                """,
            arguments: [
                "after": after, "customer": customer?.text, "product": product?.text, "now": now?.seconds,
                "limit": limit,
            ]
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
