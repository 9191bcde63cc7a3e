import Events
package import FFSModel
import Transparency

/// What a delivery costs, in hundredths of the operator's currency.
package struct Fees: Sendable, Hashable {
    package let service: Int
    package let content: Int

    package init(service: Int, content: Int) {
        self.service = service
        self.content = content
    }
}

extension LogDatabase {
    /// Tells the ledgers of what has come into the log since they were last told: each entry once, as their mark moves in the same
    /// transaction. Returns whether there may be more.
    package func post(_ fees: Fees, limit: Int = 2_000) async throws(Failure) -> Bool {
        let time = Timestamp(seconds: clock() / 1_000_000_000)
        return try await Self.failing {
            try await store.write { db in
                let start = try db.posted()
                let leaves = try db.deliveries(from: start, limit: limit)
                for leaf in leaves { try Self.post(leaf, fees, at: time, db) }
                let end = leaves.count < limit ? try db.head()?.size ?? start : (leaves.last?.leaf ?? start) + 1
                if end != start { try db.setPosted(end) }
                return leaves.count == limit
            }
        }
    }

    private static func post(_ leaf: LogLeaf, _ fees: Fees, at time: Timestamp, _ db: any LogWriting) throws {
        let columns = leaf.columns
        func complete(_ delivery: Delivery) throws {
            try db.charge(.content, delivery, amount: fees.content, leaf: leaf.leaf, at: time)
        }
        if columns.type == EventType.contentPublished.rawValue {
            guard let content = columns.content, let record = leaf.body?.record,
                let bytes = try? LogRecord(bytes: record).event.integer(.bytes)
            else { return }
            try db.publish(content, bytes: bytes)
            for delivery in try db.deliveries(of: content, covering: bytes) { try complete(delivery) }
            return
        }
        guard let (begun, range, path) = Self.range(columns) else { return }
        let delivery = try db.cover(range, path: path, of: begun)
        try db.charge(.service, delivery, amount: fees.service, leaf: leaf.leaf, at: time)
        guard let content = delivery.content, let bytes = try db.publishedBytes(of: content),
            delivery.covered >= bytes
        else { return }
        try complete(delivery)
    }

    /// The bytes that a download brought, of which item; nil for one that belongs to no order, or brought nothing.
    private static func range(_ columns: LogColumns) -> (Delivery, Range<UInt64>, path: [UInt8])? {
        guard let order = columns.order, let product = columns.product, let version = columns.version,
            let path = columns.path, let from = columns.from, let to = columns.to, from <= to,
            columns.size.map({ to <= $0 }) ?? true
        else { return nil }
        return (
            Delivery(
                key: DeliveryKey(order: order, product: product, version: version), content: columns.content,
                customer: columns.customer, retailer: columns.retailer, covered: 0), from..<to, path
        )
    }

    package func charges(_ query: ChargeQuery) async throws(Failure) -> [Charge] {
        try await Self.failing { try await store.read { try $0.charges(query) } }
    }

    /// What is wrong with the ledgers.
    package struct LedgerFinding: Sendable, Hashable {
        package let delivery: DeliveryKey
        package let text: String
    }

    /// Compares the ledgers with what the log's entries say anew, and with each other, for some orders behind `order`; to be asked
    /// again with the last of them. Entries that the ledgers have not been told of do not count.
    package func reconcile(
        after order: UInt64, limit: Int
    ) async throws(Failure) -> (findings: [LedgerFinding], last: UInt64?) {
        try await Self.failing {
            try await store.read { db in
                let orders = try db.orders(after: order, limit: limit)
                return (try orders.flatMap { try Self.reconcile($0, db) }, orders.count == limit ? orders.last : nil)
            }
        }
    }

    private static func reconcile(_ order: UInt64, _ db: any LogReading) throws -> [LedgerFinding] {
        var files: [DeliveryKey: [[UInt8]: Coverage]] = [:]
        var contents: [DeliveryKey: ContentDigest] = [:]
        for columns in try db.downloads(order: order) {
            guard let (delivery, range, path) = range(columns) else { continue }
            files[delivery.key, default: [:]][path, default: Coverage()].insert(range)
            contents[delivery.key] = contents[delivery.key] ?? delivery.content
        }
        var query = ChargeQuery()
        (query.order, query.limit) = (order, Int(Int32.max))
        var charged: [DeliveryKey: Set<Charge.Ledger>] = [:]
        for charge in try db.charges(query) { charged[charge.delivery, default: []].insert(charge.ledger) }
        var findings: [LedgerFinding] = []
        for key in Set(files.keys).union(charged.keys).sorted(by: {
            ($0.product, $0.version) < ($1.product, $1.version)
        }) {
            let ledgers = charged[key] ?? []
            let covered = files[key]?.values.reduce(UInt64(0)) { $0 + $1.count } ?? 0
            let bytes = try contents[key].flatMap { try db.publishedBytes(of: $0) }
            let isComplete = files[key] != nil && (bytes.map { covered >= $0 } ?? false)
            func find(_ text: String) { findings.append(LedgerFinding(delivery: key, text: text)) }
            if files[key] != nil, !ledgers.contains(.service) { find("was delivered, but bears no service fee") }
            if files[key] == nil { find("bears a fee, but nothing of it was delivered") }
            if isComplete, !ledgers.contains(.content) { find("was delivered whole, but bears no content fee") }
            if !isComplete, files[key] != nil, ledgers.contains(.content) {
                find(
                    "bears a content fee, but \(covered) of \(bytes.map(String.init) ?? "unknown") bytes were delivered"
                )
            }
            if ledgers == [.content] { find("bears a content fee without a service fee") }
        }
        return findings
    }
}
