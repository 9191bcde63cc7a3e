package import Events
package import FFSModel
package import Logging
package import Pipeline
import SystemSupport
import Transparency

/// The log: what producers hand over, as leaves of a tree whose checkpoints are signed here and cosigned by the hosts.
package final class LogDatabase: Sendable {
    let store: any LogStore
    let key: LogKey
    let node: NodeName
    let logger: Logger
    /// Nanoseconds since 1970.
    let clock: @Sendable () -> Int64

    /// Opens the log. One that is older than what was signed here was restored: it goes on under a new name.
    package init(
        store: any LogStore, key: LogKey, node: NodeName, logger: Logger,
        clock: @escaping @Sendable () -> Int64 = { SystemClock.nanosecondsSince1970() }
    ) async throws(Failure) {
        self.store = store
        self.key = key
        self.node = node
        self.logger = logger
        self.clock = clock
        let signed = try key.lastSigned()
        let reason: String? = try await Self.failing {
            try await store.read { db in
                guard let head = try db.head() else { return signed == nil ? "a first log" : "the log was lost" }
                guard let signed else { return nil }
                guard signed.origin == head.origin, signed.size <= head.size else { return "the log was restored" }
                let root = try TreeReader { try db.tile($0) }.root(size: signed.size)
                return root == signed.root ? nil : "the log is not the one that was signed"
            }
        }
        if let reason { try await begin(after: signed, reason: reason) }
    }

    package func close() async throws(Failure) { try await Self.failing { try await self.store.close() } }

    /// What the database's engine throws, as a failure.
    static func failing<Value>(_ body: () async throws -> Value) async throws(Failure) -> Value {
        do { return try await body() } catch let failure as Failure { throw failure } catch {
            throw Failure(.internal, "the log met an unexpected error; see ffspiped's log", cause: "\(error)")
        }
    }

    /// Takes a batch over, in one transaction: skips what is there, appends the rest, moves the producer's mark. What cannot be a row
    /// becomes a dead letter, and the rest goes on. Returns after it is durable, with where the producer stands.
    package func ingest(_ batch: ProducerBatch) async throws(Failure) -> Acknowledged {
        let id = ProducerID(
            node: batch.node, incarnation: batch.incarnation, segment: batch.segment, stream: batch.stream)
        let now = clock()
        let (mark, buried, differs) = try await Self.failing {
            try await store.write { db in
                let time = Timestamp(seconds: now / 1_000_000_000)
                let producer = try db.producer(id, at: time)
                switch batch.beyond(producer.mark) {
                case .known:
                    if batch.isSealedEnd { try db.move(producer, to: producer.mark, ended: true, at: time) }
                    return (producer.mark, 0, false)
                case .ahead: return (producer.mark, 0, false)
                case .differs:
                    for record in batch.records where record.offset < producer.mark.offset {
                        try db.bury(
                            record.bytes, at: record.offset, of: producer,
                            reason: "not what came before under this number", time: time)
                    }
                    return (producer.mark, 0, true)
                case .new(let items, let mark):
                    var intake = try LogIntake(db, at: now)
                    for item in items { try intake.append(item, of: producer, id) }
                    try intake.finish()
                    try db.move(producer, to: mark, ended: batch.isSealedEnd, at: time)
                    return (mark, intake.buried, false)
                }
            }
        }
        let source: Logger.Metadata = [
            "node": "\(batch.node)", "stream": "\(batch.stream)", "segment": "\(batch.segment)",
        ]
        if differs {
            logger.error(
                "a producer repeats other records under the same numbers; see `ffsctl pipeline dead list`",
                metadata: source)
        } else if buried > 0 {
            logger.error("\(buried) records could not be read; see `ffsctl pipeline dead list`", metadata: source)
        }
        return mark
    }

    /// Where a producer stands.
    package func mark(of batch: (node: NodeName, incarnation: ID128, segment: ID128)) async throws(Failure)
        -> ProducerMark
    {
        let id = ProducerID(
            node: batch.node, incarnation: batch.incarnation, segment: batch.segment, stream: "")
        return try await Self.failing { try await store.read { try $0.producer(id)?.mark ?? .start } }
    }

    /// Events of this log's own side: of ffsauthd's outbox, and the log's about itself. A known id changes nothing. Returns after they
    /// are durable.
    package func record(_ events: [Event]) async throws(Failure) {
        let (now, own) = (clock(), own)
        try await Self.failing {
            try await store.write { db in try Self.append(events, own, at: now, db) }
        }
    }

    /// The producer whose events are written here.
    private var own: ProducerID {
        let zero = ID128(high: 0, low: 0)
        return ProducerID(node: node, incarnation: zero, segment: zero, stream: "log")
    }

    static func append(_ events: [Event], _ id: ProducerID, at now: Int64, _ db: any LogWriting) throws {
        let time = Timestamp(seconds: now / 1_000_000_000)
        let producer = try db.producer(id, at: time)
        var intake = try LogIntake(db, at: now)
        var mark = producer.mark
        for event in events {
            try intake.append(event, at: mark.offset, of: producer, id)
            mark = ProducerMark(offset: mark.offset + 1, hash: mark.hash)
        }
        try intake.finish()
        try db.move(producer, to: mark, ended: false, at: time)
    }

    /// Gives the log a new name. Its first entry under it says why, and names the last checkpoint of the old one.
    func begin(after old: Checkpoint?, reason: String) async throws(Failure) {
        let (now, own) = (clock(), own)
        let origin = "\(node)/ffs-log-" + Hex.string(randomBytes(8))
        try await Self.failing {
            try await store.write { db in
                try db.set(LogHead(origin: origin, size: try db.head()?.size ?? 0))
                var event = Event(.logOrigin, time: now)
                event.set(.reason, reason + (old.map { "; it follows \($0.origin)" } ?? ""))
                if let old {
                    event.set(.digest, old.root)
                    event.set(.count, old.size)
                }
                try Self.append([event], own, at: now, db)
            }
        }
        logger.log(
            level: old == nil ? .notice : .error, "the log has a new name: \(reason)",
            metadata: ["origin": "\(origin)", "follows": "\(old.map { "\($0.origin) at \($0.size)" } ?? "-")"])
    }

    /// Drops salts, records and names of entries older than `time`; the tree stays whole. Each slice is one transaction, with the
    /// record that says so. Returns how many entries that were.
    package func retain(before time: Timestamp, by actor: String) async throws(Failure) -> Int {
        var total = 0
        while true {
            let count = try await cutting(by: actor, reason: "older than \(time)") { db in
                try db.cut(before: time.seconds * 1_000_000_000, limit: 10_000)
            }
            total += count
            if count < 10_000 { return total }
        }
    }

    /// Drops salts, records, addresses and the name of a customer. Returns how many entries that were.
    package func erase(customer: CustomerName, by actor: String) async throws(Failure) -> Int {
        let name = Array(customer.text.utf8)
        return try await cutting(by: actor, reason: "a customer's erasure") { try $0.erase(customer: name) }
    }

    private func cutting(
        by actor: String, reason: String, _ body: @escaping @Sendable (any LogWriting) throws -> Int
    ) async throws(Failure) -> Int {
        let (now, own) = (clock(), own)
        return try await Self.failing {
            try await store.write { db in
                let count = try body(db)
                guard count > 0 else { return 0 }
                var event = Event(.logRetained, time: now)
                event.set(.count, UInt64(count))
                event.set(.actor, actor)
                event.set(.reason, reason)
                try Self.append([event], own, at: now, db)
                return count
            }
        }
    }
}
