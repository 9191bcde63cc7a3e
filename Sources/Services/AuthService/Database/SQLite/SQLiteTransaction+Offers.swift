import FFSModel
import GRDB
import Requests

/// What a customer may order. The statements name a customer and a range of products at every step, so that they cost
/// what a page holds, however much the customer, or everybody else, has.
extension SQLiteTransaction {
    /// Products that are ranked at a time: few enough to be quick, enough for most pages.
    private static let batch = 50

    /// A grant `e` that stands and has orders left.
    private static let standing = """
        e.customer = :customer AND e.revoked IS NULL AND e.starts <= :now AND (e.ends IS NULL OR e.ends > :now)
            AND (e.order_limit IS NULL
                 OR (SELECT count(DISTINCT i.order_number) FROM order_items i
                     WHERE i.entitlement = e.id AND i.order_number IS NOT :holding) < e.order_limit)
        """

    func offers(_ selection: OfferSelection, after: Item?, products: Int?, limit: Int) throws -> [Offer] {
        guard let customer = try ordering(selection) else { return [] }
        var start = try after.map { try place(of: $0) }
        var first = after?.product.text
        var found: [Offer] = []
        var seen = 0
        while found.count < limit, seen < products ?? .max {
            let names = try self.products(
                selection, from: first ?? "", inclusive: start != nil,
                limit: min(Self.batch, (products ?? .max) - seen))
            guard let low = names.first, let high = names.last else { break }
            let rows = try ranked(
                selection, customer, low...high, nil, after: start, limit: limit - found.count)
            found += rows
            seen += Set(rows.lazy.map(\.entitlement.item.product)).count
            (start, first) = (nil, high)
        }
        return found
    }

    func productCount(_ selection: OfferSelection) throws -> Int {
        guard try ordering(selection) != nil else { return 0 }
        let (sql, arguments) = Self.matching(selection, "count(DISTINCT e.product)")
        return try Int.fetchOne(db, sql: sql, arguments: arguments) ?? 0
    }

    func offer(of item: Item, to customer: CustomerName, at now: Timestamp, holding: Int?) throws -> Offer? {
        let selection = OfferSelection(customer: customer, now: now, holding: holding)
        guard let customer = try ordering(selection) else { return nil }
        let product = item.product.text
        return try ranked(selection, customer, product...product, item.version, after: nil, limit: 1).first
    }

    /// The customer as far as offers need to know: nil when there is none, or none who may order.
    private func ordering(_ selection: OfferSelection) throws -> CustomerRecord? {
        guard let record = try customer(selection.customer), record.status == .active,
            record.expires.map({ $0 > selection.now }) ?? true
        else { return nil }
        return record
    }

    /// Where a page ended: the item and its release.
    private func place(of item: Item) throws -> (item: Item, released: Timestamp) {
        guard let released = try version(item)?.released else {
            throw Failure(.badRequest, "<after> names a version that is gone; ask for the first page again")
        }
        return (item, released)
    }

    /// The next products of which the selection has something, in order of name.
    private func products(
        _ selection: OfferSelection, from first: String, inclusive: Bool, limit: Int
    ) throws -> [String] {
        var (sql, arguments) = Self.matching(selection, "DISTINCT e.product")
        sql += " AND e.product \(inclusive ? ">=" : ">") :first ORDER BY e.product LIMIT :limit"
        arguments += ["first": first, "limit": limit]
        return try String.fetchAll(db, sql: sql, arguments: arguments)
    }

    /// A statement over the standing grants that lead to something published that the search finds.
    private static func matching(
        _ selection: OfferSelection, _ columns: String
    ) -> (sql: String, arguments: StatementArguments) {
        let (words, arguments) = search(selection)
        let sql = """
            SELECT \(columns) FROM entitlements e WHERE \(standing)
                AND EXISTS (SELECT 1 FROM versions v JOIN products p ON p.name = v.product
                            WHERE v.product = e.product AND (e.version IS NULL OR v.version = e.version)
                                AND v.status = 'published'\(words))
            """
        return (sql, arguments)
    }

    /// Conditions on a version `v` of a product `p`, and every argument that a selection has.
    private static func search(_ selection: OfferSelection) -> (sql: String, arguments: StatementArguments) {
        var arguments: StatementArguments = [
            "customer": selection.customer.text, "now": selection.now.seconds, "holding": selection.holding,
        ]
        var sql = ""
        let text = "v.product || ' ' || v.version || ' ' || p.title || ' ' || p.summary"
        for (number, word) in (selection.search ?? "").unicodeScalars.split(separator: " ").enumerated() {
            var pattern = "%"
            for scalar in String(word).lowercased().unicodeScalars {
                if "%_\\".unicodeScalars.contains(scalar) { pattern.unicodeScalars.append("\\") }
                pattern.unicodeScalars.append(scalar)
            }
            // LIKE knows no case but ASCII's.
            let haystack = word.allSatisfy(\.isASCII) ? "(\(text))" : "swiftLowercaseString(\(text))"
            sql += " AND \(haystack) LIKE :word\(number) ESCAPE '\\'"
            arguments += ["word\(number)": pattern + "%"]
        }
        return (sql, arguments)
    }

    /// The offers of a range of products, each version by one grant: an unlimited one before one that counts orders, then
    /// the one that ends last, then the oldest.
    private func ranked(
        _ selection: OfferSelection, _ customer: CustomerRecord, _ products: ClosedRange<String>,
        _ version: VersionName?, after: (item: Item, released: Timestamp)?, limit: Int
    ) throws -> [Offer] {
        let (words, base) = Self.search(selection)
        var arguments = base
        arguments += ["low": products.lowerBound, "high": products.upperBound, "limit": limit]
        var (one, page) = ("", "")
        if let version {
            one = " AND v.version = :version"
            arguments += ["version": version.text]
        }
        if let after {
            page = """
                 AND (r.product > :product OR r.released < :released
                    OR r.released = :released AND r.version < :after)
                """
            arguments += [
                "product": after.item.product.text, "after": after.item.version.text,
                "released": after.released.seconds,
            ]
        }
        let sql = """
            WITH ranked AS (
                SELECT v.product, v.version, v.released, v.manifest, e.id, e.ends, e.policy, p.title, p.summary,
                    row_number() OVER (
                        PARTITION BY v.product, v.version
                        ORDER BY e.order_limit IS NOT NULL, e.ends IS NOT NULL, e.ends DESC, e.id) AS rank
                FROM entitlements e
                JOIN versions v ON v.product = e.product AND (e.version IS NULL OR e.version = v.version)
                JOIN products p ON p.name = v.product
                WHERE \(Self.standing) AND e.product BETWEEN :low AND :high
                    AND v.status = 'published'\(one)\(words)
            )
            SELECT r.*, c.size, c.files FROM ranked r JOIN contents c ON c.manifest = r.manifest
            WHERE r.rank = 1\(page) ORDER BY r.product, r.released DESC, r.version DESC LIMIT :limit
            """
        return try Row.fetchAll(db, sql: sql, arguments: arguments).map { try Self.offer($0, customer) }
    }

    private static func offer(_ row: Row, _ customer: CustomerRecord) throws -> Offer {
        // Nothing outlives the customer.
        let until = [row.optionalTimestamp("ends"), customer.expires].compactMap(\.self).min()
        let entitlement = Entitlement(
            item: Item(product: try row.name("product"), version: try row.name("version")),
            title: try row.text("title"), summary: try row.text("summary"), size: try row.integer("size"),
            files: try row.integer("files"), released: try row.timestamp("released"), until: until,
            policy: try row.value("policy", ExpiryPolicy.init))
        return Offer(
            entitlement: entitlement, grant: try row.integer("id"),
            manifest: try row.value("manifest") { ContentDigest($0) })
    }
}
