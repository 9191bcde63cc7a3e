import Events
import FFSModel
import FoundationEssentials
import GRDB
import Transparency

extension SQLiteLog {
    private static let insertion = """
        INSERT INTO events (leaf, producer, number, type, event, time, arrived, trace, customer, retailer, product,
            version, content, host, account, order_number, path, first, beyond, size, outcome, commitment, salt, record)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (event) DO NOTHING
        """

    func insert(_ leaf: LogLeaf, of producer: Producer) throws -> Bool {
        let columns = leaf.columns
        func number(_ value: UInt64?) -> Int64? { value.map { Int64(bitPattern: $0) } }
        let values: [(any DatabaseValueConvertible)?] = [
            Int64(leaf.leaf), producer.row, number(columns.offset), columns.type, Data(columns.event.bytes),
            columns.time, columns.arrived, columns.trace.map { Data($0.bytes) }, number(columns.customer),
            columns.retailer, columns.product, columns.version, columns.content.map { Data($0.bytes) }, columns.host,
            columns.account, number(columns.order), columns.path.map { Data($0) }, number(columns.from),
            number(columns.to), number(columns.size), columns.outcome, Data(leaf.commitment.bytes),
            leaf.body.map { Data($0.salt) }, leaf.body.map { Data($0.record) },
        ]
        try execute(Self.insertion, StatementArguments(values))
        guard db.changesCount == 1 else { return false }
        if let person = leaf.person {
            try execute(
                "INSERT INTO persons (leaf, salt, part) VALUES (?, ?, ?)",
                [Int64(leaf.leaf), Data(person.salt), Data(person.part.bytes)])
        }
        return true
    }

    func leaves(_ query: LogQuery) throws -> [LogLeaf] {
        var conditions: [String] = []
        var arguments = StatementArguments()
        func add(_ condition: String, _ value: (some DatabaseValueConvertible)?) {
            guard let value else { return }
            conditions.append(condition)
            arguments += [value]
        }
        if let name = query.customer {
            add("customer = (SELECT number FROM customers WHERE name = ?)", Data(name))
        }
        add("retailer = ?", query.retailer)
        add("product = ?", query.product)
        add("version = ?", query.version)
        add("content = ?", query.content.map { Data($0.bytes) })
        add("host = ?", query.host)
        add("trace = ?", query.trace.map { Data($0.bytes) })
        add("type = ?", query.type)
        add("order_number = ?", query.order.map { Int64(bitPattern: $0) })
        add("event = ?", query.event.map { Data($0.bytes) })
        add("time >= ?", query.since.map { $0.seconds * 1_000_000_000 })
        add("time < ?", query.until.map { $0.seconds * 1_000_000_000 })
        add(query.newestFirst ? "leaf < ?" : "leaf > ?", query.after.map { Int64($0) })
        return try leaves(
            where: conditions.isEmpty ? "true" : conditions.joined(separator: " AND "), arguments,
            order: query.newestFirst ? "DESC" : "ASC", limit: query.limit)
    }

    func leaves(where condition: String, _ arguments: StatementArguments, order: String, limit: Int) throws -> [LogLeaf]
    {
        let sql = """
            SELECT e.*, p.node, p.incarnation, p.segment, s.salt AS person_salt, s.part
            FROM (SELECT * FROM events WHERE \(condition) ORDER BY leaf \(order) LIMIT ?) e
            JOIN producers p ON p.id = e.producer LEFT JOIN persons s ON s.leaf = e.leaf
            ORDER BY e.leaf \(order)
            """
        return try Row.fetchAll(db, sql: sql, arguments: arguments + [limit]).map(leaf)
    }

    private func leaf(_ row: Row) throws -> LogLeaf {
        func number(_ column: String) -> UInt64? { (row[column] as Int64?).map { UInt64(bitPattern: $0) } }
        guard let node = try? NodeName(row["node"] as String),
            let incarnation = ID128(bytes: row.bytes("incarnation") ?? []),
            let segment = ID128(bytes: row.bytes("segment") ?? []),
            let event = EventID(bytes: row.bytes("event") ?? []),
            let commitment = TreeHash(bytes: row.bytes("commitment") ?? [])
        else { throw damaged("leaf \(row["leaf"] as Int64)") }
        let columns = LogColumns(
            node: node, incarnation: incarnation, segment: segment, offset: number("number") ?? 0, type: row["type"],
            event: event, time: row["time"], arrived: row["arrived"],
            trace: row.bytes("trace").flatMap { TraceID(bytes: $0) }, customer: number("customer"),
            retailer: row["retailer"], product: row["product"], version: row["version"],
            content: row.bytes("content").flatMap { ContentDigest(bytes: $0) }, host: row["host"],
            account: row["account"], order: number("order_number"), path: row.bytes("path"), from: number("first"),
            to: number("beyond"), size: number("size"), outcome: row["outcome"])
        let body = row.bytes("record").flatMap { record in
            row.bytes("salt").map { LogLeaf.Body(salt: $0, record: record) }
        }
        let person = row.bytes("part").flatMap { part in
            row.bytes("person_salt").map { LogLeaf.Person(salt: $0, part: PersonalPart(bytes: part)) }
        }
        return LogLeaf(
            leaf: UInt64(row["leaf"] as Int64), columns: columns, commitment: commitment, body: body, person: person)
    }

    func cut(before time: Int64, limit: Int) throws -> Int {
        let leaves = try Int64.fetchAll(
            db, sql: "SELECT leaf FROM events WHERE time < ? AND record IS NOT NULL ORDER BY time LIMIT ?",
            arguments: [time, limit])
        for leaf in leaves { try drop(leaf) }
        return leaves.count
    }

    func erase(customer name: [UInt8]) throws -> Int {
        guard
            let number = try Int64.fetchOne(
                db, sql: "SELECT number FROM customers WHERE name = ?", arguments: [Data(name)])
        else { return 0 }
        let leaves = try Int64.fetchAll(
            db, sql: "SELECT leaf FROM events WHERE customer = ? AND record IS NOT NULL", arguments: [number])
        for leaf in leaves { try drop(leaf) }
        try execute("DELETE FROM customers WHERE number = ?", [number])
        return leaves.count
    }

    private func drop(_ leaf: Int64) throws {
        try execute("UPDATE events SET salt = NULL, record = NULL WHERE leaf = ?", [leaf])
        try execute("DELETE FROM persons WHERE leaf = ?", [leaf])
    }
}
