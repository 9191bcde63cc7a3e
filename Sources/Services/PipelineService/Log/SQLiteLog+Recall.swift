import FFSModel
import GRDB

extension SQLiteLog {
    func recipients(_ product: String, _ version: String?, after: Recipient?, limit: Int) throws -> [Recipient] {
        let sql = """
            SELECT * FROM (
                SELECT coalesce(customer, 0) AS customer, coalesce(order_number, 0) AS order_number, version, host,
                    sum(beyond - first) AS bytes, min(time) AS earliest, max(time) AS latest, max(leaf) AS leaf,
                    (SELECT name FROM customers WHERE number = customer) AS name
                FROM events
                WHERE product = :product AND (:version IS NULL OR version = :version) AND version IS NOT NULL
                    AND type IN ('download.completed', 'download.aborted') AND beyond > first
                GROUP BY 1, 2, 3, 4)
            WHERE (customer, order_number, version, host) > (:customer, :order, :after, :host)
            ORDER BY customer, order_number, version, host LIMIT :limit
            """
        let rows = try Row.fetchAll(
            db, sql: sql,
            arguments: [
                "product": product, "version": version, "customer": after.map { Int64($0.customer ?? 0) } ?? -1,
                "order": Int64(after?.order ?? 0), "after": after?.version ?? "", "host": after?.host ?? "",
                "limit": limit,
            ])
        func number(_ row: Row, _ column: String) -> UInt64? {
            let value = row[column] as Int64
            return value == 0 ? nil : UInt64(value)
        }
        return rows.map { row in
            Recipient(
                customer: number(row, "customer"), name: row.bytes("name"), order: number(row, "order_number"),
                version: row["version"], host: row["host"], bytes: UInt64(row["bytes"] as Int64),
                first: row["earliest"], last: row["latest"], leaf: UInt64(row["leaf"] as Int64))
        }
    }

    func horizons() throws -> [HostHorizon] {
        try Row.fetchAll(
            db,
            sql: "SELECT node, max(arrived) AS arrived FROM producers WHERE stream <> 'log' GROUP BY node ORDER BY node"
        ).map { row in
            guard let node = try? NodeName(row["node"] as String) else { throw damaged("a node's name") }
            return HostHorizon(node: node, arrived: Timestamp(seconds: row["arrived"]))
        }
    }
}
