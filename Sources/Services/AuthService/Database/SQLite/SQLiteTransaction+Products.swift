import FFSModel
import GRDB
import Requests

extension SQLiteTransaction {
    private static let select = """
        SELECT v.product, v.version, p.title, p.summary, v.manifest, c.size, c.files, v.released, v.status
        FROM versions v JOIN products p ON p.name = v.product JOIN contents c ON c.manifest = v.manifest
        """

    func hasProduct(_ name: ProductName) throws -> Bool {
        try Bool.fetchOne(db, sql: "SELECT EXISTS (SELECT 1 FROM products WHERE name = ?)", arguments: [name.text])
            ?? false
    }

    func version(_ item: Item) throws -> ProductRecord? {
        try Row.fetchOne(
            db, sql: "\(Self.select) WHERE v.product = ? AND v.version = ?",
            arguments: [item.product.text, item.version.text]
        ).map(Self.record)
    }

    func versions(of product: ProductName?, after: Item?, limit: Int) throws -> [ProductRecord] {
        var filter = Filter()
        if let product { filter.add("v.product = :product", ["product": product.text]) }
        if let after {
            filter.add(
                "(v.product, v.version) > (:after_product, :after_version)",
                ["after_product": after.product.text, "after_version": after.version.text])
        }
        return try Row.fetchAll(
            db, sql: "\(Self.select) WHERE \(filter.sql) ORDER BY v.product, v.version LIMIT :limit",
            arguments: filter.arguments + ["limit": limit]
        ).map(Self.record)
    }

    private static func record(_ row: Row) throws -> ProductRecord {
        ProductRecord(
            item: Item(product: try row.name("product"), version: try row.name("version")),
            title: try row.text("title"), summary: try row.text("summary"),
            manifest: try row.value("manifest") { ContentDigest($0) }, size: try row.integer("size"),
            files: try row.integer("files"), released: try row.timestamp("released"),
            status: try row.value("status", ProductRecord.Status.init))
    }

    func upsert(_ product: ProductName, title: String?, summary: String?, at time: Timestamp) throws {
        try db.execute(
            sql: """
                INSERT INTO products (name, title, summary, created)
                VALUES (:name, coalesce(:title, :name), coalesce(:summary, ''), :created)
                ON CONFLICT (name) DO UPDATE SET title = coalesce(:title, title), summary = coalesce(:summary, summary)
                """,
            arguments: ["name": product.text, "title": title, "summary": summary, "created": time.seconds])
    }

    func publish(_ item: Item, manifest: ContentDigest, size: Int, files: Int, released: Timestamp) throws {
        let key: StatementArguments = [item.product.text, item.version.text]
        let old = try String.fetchOne(
            db, sql: "SELECT manifest FROM versions WHERE product = ? AND version = ?", arguments: key)
        try db.execute(
            sql: "INSERT INTO contents (manifest, size, files) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            arguments: [manifest.description, size, files])
        try db.execute(
            sql: """
                INSERT INTO versions (product, version, manifest, status, released) VALUES (?, ?, ?, 'published', ?)
                ON CONFLICT (product, version) DO UPDATE SET manifest = excluded.manifest, status = excluded.status,
                    released = excluded.released
                """,
            arguments: [item.product.text, item.version.text, manifest.description, released.seconds])
        if let old, old != manifest.description {
            try db.execute(
                sql: """
                    DELETE FROM contents WHERE manifest = :old
                        AND NOT EXISTS (SELECT 1 FROM versions WHERE manifest = :old)
                    """, arguments: ["old": old])
        }
    }

    func setStatus(_ status: ProductRecord.Status, of item: Item) throws {
        try db.execute(
            sql: "UPDATE versions SET status = ? WHERE product = ? AND version = ?",
            arguments: [status.rawValue, item.product.text, item.version.text])
    }
}
