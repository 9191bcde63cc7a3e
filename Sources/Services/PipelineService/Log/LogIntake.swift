import Events
import FFSModel
import Pipeline
import SystemSupport
import Transparency

/// Appends entries within one transaction.
struct LogIntake {
    private let db: any LogWriting
    private let origin: String
    /// Nanoseconds since 1970.
    private let now: Int64
    private var tree: TileAppender
    private var entropy: ArraySlice<UInt8> = []
    private var customers: [[UInt8]: UInt64] = [:]
    private(set) var buried = 0
    /// Events whose ids were there already.
    private(set) var known = 0

    /// Throws `internal` where the log has no head yet.
    init(_ db: any LogWriting, at now: Int64) throws {
        guard let head = try db.head() else { throw Failure(.internal, "the log has no origin yet") }
        self.db = db
        self.now = now
        origin = head.origin
        tree = try TileAppender(size: head.size) { try db.tile($0) }
    }

    var size: UInt64 { tree.size }
    private var time: Timestamp { Timestamp(seconds: now / 1_000_000_000) }

    /// A record as a producer handed it over.
    mutating func append(_ item: JournalScanner.Item, of producer: Producer, _ id: ProducerID) throws {
        switch item {
        case .record(let offset, let bytes):
            let event: Event
            do throws(EventError) { event = try Event(record: bytes) } catch {
                buried += 1
                try db.bury(bytes, at: offset, of: producer, reason: "not a record: \(error)", time: time)
                return
            }
            try append(event, at: offset, of: producer, id)
        case .gap(let range):
            // The same gap, told twice, is the same event.
            let name = TreeHashing.hash(Array("gap \(id.incarnation) \(id.segment) \(range.lowerBound)".utf8))
            var event = Event(.journalGap, id: EventID(high: name.words.0, low: name.words.1), time: now)
            event.set(.from, range.lowerBound)
            event.set(.to, range.upperBound)
            event.set(.stream, id.stream)
            try append(event, at: range.lowerBound, of: producer, id)
        }
    }

    mutating func append(_ event: Event, at offset: UInt64, of producer: Producer, _ id: ProducerID) throws {
        var event = event
        let customer = try event[.customer].map { try number(of: $0) } ?? 0
        let part = PersonalPart(removingFrom: &event)
        let personSalt = part.bytes.isEmpty ? [] : random(LogRecord.personalSalt)
        let record = LogRecord(
            node: id.node, incarnation: id.incarnation, segment: id.segment, offset: offset, arrived: now,
            customer: customer, personalDigest: part.digest(salt: personSalt), event: event)
        let body = LogLeaf.Body(salt: random(TreeHashing.saltLength), record: record.bytes)
        let commitment = TreeHashing.commitment(salt: body.salt, record: body.record)
        let leaf = LogLeaf(
            leaf: tree.size, columns: LogColumns(record), commitment: commitment, body: body,
            person: part.bytes.isEmpty ? nil : LogLeaf.Person(salt: personSalt, part: part))
        guard try db.insert(leaf, of: producer) else {
            known += 1
            return
        }
        tree.append(TreeHashing.leaf(commitment))
    }

    /// Writes tiles and head.
    mutating func finish() throws {
        for tile in tree.takeChanged() { try db.put(tile.place, tile.hashes) }
        try db.set(LogHead(origin: origin, size: tree.size))
    }

    private mutating func number(of customer: [UInt8]) throws -> UInt64 {
        if let known = customers[customer] { return known }
        let number = try db.number(ofCustomer: customer)
        customers[customer] = number
        return number
    }

    private mutating func random(_ count: Int) -> [UInt8] {
        if entropy.count < count { entropy = randomBytes(8_192)[...] }
        defer { entropy = entropy.dropFirst(count) }
        return Array(entropy.prefix(count))
    }
}
