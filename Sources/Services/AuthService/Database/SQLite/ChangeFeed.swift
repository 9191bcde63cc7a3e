/// The change feed: an ordered table that triggers append to whenever something that a storage host may have
/// cached changes, whoever makes the change and however, raw SQL included. It holds keys, never values,
/// and nothing about passwords.
enum ChangeFeed {
    /// What is watched in one table.
    private struct Watch {
        let table: String
        let entity: String
        /// Feed column → the table's column.
        let keys: [(feed: String, column: String)]
        /// Columns whose change matters; the keys' own always do.
        let columns: [String]
    }

    private static let watches1 = [
        Watch(
            table: "customers", entity: "customer", keys: [("customer", "name")], columns: ["status", "expires"]),
        Watch(table: "products", entity: "product", keys: [("product", "name")], columns: ["title", "summary"]),
        Watch(
            table: "versions", entity: "version",
            keys: [("product", "product"), ("version", "version"), ("manifest", "manifest")],
            columns: ["status", "released"]),
        Watch(table: "contents", entity: "content", keys: [("manifest", "manifest")], columns: ["size", "files"]),
        Watch(
            table: "entitlements", entity: "entitlement",
            keys: [("customer", "customer"), ("product", "product"), ("version", "version")],
            columns: ["starts", "ends", "policy", "order_limit", "revoked"]),
        Watch(table: "nodes", entity: "node", keys: [("node", "name")], columns: ["role", "address"]),
    ]

    /// Migration 1: the table and its triggers.
    static var triggers1: String {
        """
        CREATE TABLE change_feed (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            at INTEGER NOT NULL DEFAULT (unixepoch()),
            entity TEXT NOT NULL,
            operation TEXT NOT NULL CHECK (operation IN ('insert', 'update', 'delete')),
            customer TEXT, product TEXT, version TEXT, manifest TEXT, node TEXT
        ) STRICT;

        """ + watches1.map(triggers).joined(separator: "\n")
    }

    /// A changed key is the old row's end and the new row's beginning; any other change is an update.
    private static func triggers(_ watch: Watch) -> String {
        let feedColumns = watch.keys.map(\.feed).joined(separator: ", ")
        func append(_ operation: String, _ row: String) -> String {
            let values = watch.keys.map { "\(row).\($0.column)" }.joined(separator: ", ")
            return """
                INSERT INTO change_feed (entity, operation, \(feedColumns))
                    VALUES ('\(watch.entity)', '\(operation)', \(values));
                """
        }
        func changed(_ columns: [String]) -> String {
            columns.map { "OLD.\($0) IS NOT NEW.\($0)" }.joined(separator: " OR ")
        }
        let keys = watch.keys.map(\.column)
        return """
            CREATE TRIGGER \(watch.table)_inserted AFTER INSERT ON \(watch.table) BEGIN
                \(append("insert", "NEW"))
            END;
            CREATE TRIGGER \(watch.table)_deleted AFTER DELETE ON \(watch.table) BEGIN
                \(append("delete", "OLD"))
            END;
            CREATE TRIGGER \(watch.table)_updated AFTER UPDATE ON \(watch.table)
            WHEN (\(changed(watch.columns))) AND NOT (\(changed(keys))) BEGIN
                \(append("update", "NEW"))
            END;
            CREATE TRIGGER \(watch.table)_moved AFTER UPDATE ON \(watch.table) WHEN \(changed(keys)) BEGIN
                \(append("delete", "OLD"))
                \(append("insert", "NEW"))
            END;
            """
    }
}
