/// Migration 4's triggers: as migration 1's, and each row gets a nonce, and what REPLACE removes is fed as well.
///
/// REPLACE fires no delete triggers in a connection without `recursive_triggers`, which sqlite3(1) is. So a BEFORE trigger notes
/// the row that stands in the way in `change_hidden`, and the AFTER trigger, which runs only when the new row was really
/// written, feeds its end. An upsert, or an insert that is ignored, leaves the note to be thrown away.
extension ChangeFeed {
    /// A watched table as of migration 4.
    struct Watch4 {
        let table: String
        let entity: String
        /// The columns that REPLACE judges by.
        let primary: [String]
        /// Feed column → the table's column.
        let keys: [(feed: String, column: String)]
        /// Columns whose change matters; the keys' own always do.
        let columns: [String]
    }

    private static let watches4 = [
        Watch4(
            table: "customers", entity: "customer", primary: ["name"], keys: [("customer", "name")],
            columns: ["status", "expires"]),
        Watch4(
            table: "products", entity: "product", primary: ["name"], keys: [("product", "name")],
            columns: ["title", "summary"]),
        Watch4(
            table: "versions", entity: "version", primary: ["product", "version"],
            keys: [("product", "product"), ("version", "version"), ("manifest", "manifest")],
            columns: ["status", "released"]),
        Watch4(
            table: "contents", entity: "content", primary: ["manifest"], keys: [("manifest", "manifest")],
            columns: ["size", "files"]),
        Watch4(
            table: "entitlements", entity: "entitlement", primary: ["id"],
            keys: [("customer", "customer"), ("product", "product"), ("version", "version")],
            columns: ["starts", "ends", "policy", "order_limit", "revoked"]),
        Watch4(
            table: "nodes", entity: "node", primary: ["name"], keys: [("node", "name")], columns: ["role", "address"]),
    ]

    /// Columns that can name what changed.
    private static let feedColumns4 = ["customer", "product", "version", "manifest", "node", "retailer", "name"]

    static var migration4: String {
        """
        ALTER TABLE change_feed ADD COLUMN nonce INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE change_feed ADD COLUMN retailer TEXT;
        ALTER TABLE change_feed ADD COLUMN name TEXT;
        UPDATE change_feed SET nonce = random();
        CREATE TABLE change_hidden (
            entity TEXT NOT NULL, \(feedColumns4.map { $0 + " TEXT" }.joined(separator: ", "))
        ) STRICT;

        """ + watches4.map { drop($0.table) + triggers4($0) }.joined(separator: "\n")
    }

    /// Migration 1's triggers on a table.
    private static func drop(_ table: String) -> String {
        ["inserted", "deleted", "updated", "moved"].map { "DROP TRIGGER \(table)_\($0);\n" }.joined()
    }

    /// The triggers of a table that is watched from now on.
    static func triggers4(_ watch: Watch4) -> String {
        let feedColumns = watch.keys.map(\.feed).joined(separator: ", ")
        // Raw SQL without foreign keys can put anything into a reference.
        func values(_ row: String) -> String {
            watch.keys.map { "substr(\(row).\($0.column), 1, 255)" }.joined(separator: ", ")
        }
        func append(_ operation: String, _ row: String) -> String {
            """
            INSERT INTO change_feed (nonce, entity, operation, \(feedColumns))
                VALUES (random(), '\(watch.entity)', '\(operation)', \(values(row)));
            """
        }
        func changed(_ columns: [String]) -> String {
            columns.map { "OLD.\($0) IS NOT NEW.\($0)" }.joined(separator: " OR ")
        }
        let isThere = watch.primary.map { "\($0) = NEW.\($0)" }.joined(separator: " AND ")
        let note = """
            DELETE FROM change_hidden WHERE entity = '\(watch.entity)';
            INSERT INTO change_hidden (entity, \(feedColumns))
                SELECT '\(watch.entity)', \(values(watch.table)) FROM \(watch.table) WHERE \(isThere)
            """
        let reveal = """
            INSERT INTO change_feed (nonce, entity, operation, \(feedColumns))
                SELECT random(), entity, 'delete', \(feedColumns) FROM change_hidden WHERE entity = '\(watch.entity)';
            DELETE FROM change_hidden WHERE entity = '\(watch.entity)';
            """
        let keys = watch.keys.map(\.column)
        let moves = keys + watch.primary.filter { !keys.contains($0) }
        return """
            CREATE TRIGGER \(watch.table)_replaces BEFORE INSERT ON \(watch.table) BEGIN
                \(note);
            END;
            CREATE TRIGGER \(watch.table)_inserted AFTER INSERT ON \(watch.table) BEGIN
                \(reveal)
                \(append("insert", "NEW"))
            END;
            CREATE TRIGGER \(watch.table)_deleted AFTER DELETE ON \(watch.table) BEGIN
                \(append("delete", "OLD"))
            END;
            CREATE TRIGGER \(watch.table)_updated AFTER UPDATE ON \(watch.table)
            WHEN (\(changed(watch.columns))) AND NOT (\(changed(moves))) BEGIN
                \(append("update", "NEW"))
            END;
            CREATE TRIGGER \(watch.table)_displaces BEFORE UPDATE ON \(watch.table)
            WHEN \(changed(moves)) BEGIN
                \(note) AND (\(changed(watch.primary)));
            END;
            CREATE TRIGGER \(watch.table)_moved AFTER UPDATE ON \(watch.table) WHEN \(changed(moves)) BEGIN
                \(reveal)
                \(append("delete", "OLD"))
                \(append("insert", "NEW"))
            END;
            """
    }
}
