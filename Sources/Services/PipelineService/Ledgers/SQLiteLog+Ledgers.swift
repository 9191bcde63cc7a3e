import Events
import FFSModel
import FoundationEssentials
import GRDB
import Transparency

extension SQLiteLog {
    func posted() throws -> UInt64 { UInt64(try Int64.fetchOne(db, sql: "SELECT posted FROM head") ?? 0) }

    func setPosted(_ leaf: UInt64) throws { try execute("UPDATE head SET posted = ?", [Int64(leaf)]) }

    func deliveries(from leaf: UInt64, limit: Int) throws -> [LogLeaf] {
        try leaves(
            where: "leaf >= ? AND type IN ('download.completed', 'download.aborted', 'content.published')",
            [Int64(leaf)], order: "ASC", limit: limit)
    }

    func publish(_ content: ContentDigest, bytes: UInt64) throws {
        try execute(
            "INSERT INTO published (content, bytes) VALUES (?, ?) ON CONFLICT DO NOTHING",
            [Data(content.bytes), Int64(clamping: bytes)])
    }

    func publishedBytes(of content: ContentDigest) throws -> UInt64? {
        let statement = try db.cachedStatement(sql: "SELECT bytes FROM published WHERE content = ?")
        return try Int64.fetchOne(statement, arguments: [Data(content.bytes)]).map { UInt64($0) }
    }

    func cover(_ range: Range<UInt64>, path: [UInt8], of delivery: Delivery) throws -> Delivery {
        let key = delivery.key
        let place: StatementArguments = [Int64(key.order), key.product, key.version]
        try execute(
            """
            INSERT INTO deliveries (order_number, product, version, content, customer, retailer, covered)
            VALUES (?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING
            """,
            place + [
                delivery.content.map { Data($0.bytes) }, delivery.customer.map { Int64($0) }, delivery.retailer,
            ])
        let stored = try Data.fetchOne(
            db.cachedStatement(
                sql: "SELECT ranges FROM coverage WHERE order_number = ? AND product = ? AND version = ? AND path = ?"),
            arguments: place + [Data(path)])
        guard var coverage = stored.map({ Coverage(bytes: Array($0)) }) ?? Coverage() else {
            throw damaged("a coverage")
        }
        let before = coverage.count
        coverage.insert(range)
        try execute(
            """
            INSERT INTO coverage (order_number, product, version, path, ranges) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (order_number, product, version, path) DO UPDATE SET ranges = excluded.ranges
            """, place + [Data(path), Data(coverage.bytes)])
        try execute(
            "UPDATE deliveries SET covered = covered + ? WHERE order_number = ? AND product = ? AND version = ?",
            [Int64(coverage.count - before)] + place)
        let row = try Row.fetchOne(
            db.cachedStatement(
                sql: "SELECT * FROM deliveries WHERE order_number = ? AND product = ? AND version = ?"),
            arguments: place)
        guard let row else { throw damaged("no row of a delivery") }
        return Self.delivery(row)
    }

    func deliveries(of content: ContentDigest, covering bytes: UInt64) throws -> [Delivery] {
        try Row.fetchAll(
            db, sql: "SELECT * FROM deliveries WHERE content = ? AND covered >= ?",
            arguments: [Data(content.bytes), Int64(clamping: bytes)]
        ).map(Self.delivery)
    }

    private static func delivery(_ row: Row) -> Delivery {
        Delivery(
            key: key(row), content: row.bytes("content").flatMap { ContentDigest(bytes: $0) },
            customer: (row["customer"] as Int64?).map { UInt64($0) }, retailer: row["retailer"],
            covered: UInt64(row["covered"] as Int64))
    }

    private static func key(_ row: Row) -> DeliveryKey {
        DeliveryKey(order: UInt64(row["order_number"] as Int64), product: row["product"], version: row["version"])
    }

    func charge(_ ledger: Charge.Ledger, _ delivery: Delivery, amount: Int, leaf: UInt64, at time: Timestamp) throws {
        let key = delivery.key
        try execute(
            """
            INSERT INTO charges (ledger, order_number, product, version, customer, retailer, amount, leaf, at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
            """,
            [
                ledger.rawValue, Int64(key.order), key.product, key.version, delivery.customer.map { Int64($0) },
                delivery.retailer, amount, Int64(leaf), time.seconds,
            ])
    }

    func charges(_ query: ChargeQuery) throws -> [Charge] {
        try Row.fetchAll(
            db,
            sql: """
                SELECT * FROM charges WHERE id > :after AND (:ledger IS NULL OR ledger = :ledger)
                    AND (:product IS NULL OR product = :product) AND (:order IS NULL OR order_number = :order)
                ORDER BY id LIMIT :limit
                """,
            arguments: [
                "after": query.after, "ledger": query.ledger?.rawValue, "product": query.product,
                "order": query.order.map { Int64($0) }, "limit": query.limit,
            ]
        ).map { row in
            guard let ledger = Charge.Ledger(rawValue: row["ledger"]) else { throw damaged("a ledger") }
            return Charge(
                id: row["id"], ledger: ledger, delivery: Self.key(row),
                customer: (row["customer"] as Int64?).map { UInt64($0) }, retailer: row["retailer"],
                amount: row["amount"], leaf: UInt64(row["leaf"] as Int64), at: Timestamp(seconds: row["at"]))
        }
    }

    func orders(after order: UInt64, limit: Int) throws -> [UInt64] {
        try Int64.fetchAll(
            db,
            sql: """
                SELECT order_number FROM (
                    SELECT order_number FROM events INDEXED BY events_by_order
                        WHERE order_number > :order AND leaf < (SELECT posted FROM head)
                        AND type IN ('download.completed', 'download.aborted')
                    UNION SELECT order_number FROM charges WHERE order_number > :order)
                ORDER BY order_number LIMIT :limit
                """, arguments: ["order": Int64(order), "limit": limit]
        ).map { UInt64($0) }
    }

    func downloads(order: UInt64) throws -> [LogColumns] {
        try leaves(
            where: """
                order_number = ? AND leaf < (SELECT posted FROM head)
                    AND type IN ('download.completed', 'download.aborted')
                """, [Int64(order)], order: "ASC", limit: Int(Int32.max)
        ).map(\.columns)
    }
}
