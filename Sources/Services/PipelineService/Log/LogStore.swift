package import Events
package import FFSModel
package import Pipeline
package import Transparency

/// The log database, whichever engine holds it. Decisions are made above this, in ``LogDatabase``; below it are rows.
package protocol LogStore: Sendable {
    /// Runs `body` over one consistent state of the database.
    func read<Value: Sendable>(_ body: @escaping @Sendable (any LogReading) throws -> Value) async throws -> Value

    /// Runs `body` in one transaction that holds the head: all of it is durable when this returns, none of it when it throws.
    func write<Value: Sendable>(_ body: @escaping @Sendable (any LogWriting) throws -> Value) async throws -> Value

    func close() async throws
}

/// The log's name and how many leaves it has.
package struct LogHead: Sendable, Hashable {
    package let origin: String
    package let size: UInt64
}

/// Whose events arrive in order: a segment of a journal.
package struct ProducerID: Sendable, Hashable {
    package let node: NodeName
    package let incarnation: ID128
    package let segment: ID128
    package let stream: String
}

/// A producer's row.
package struct Producer: Sendable, Hashable {
    package let row: Int64
    package let mark: ProducerMark
}

/// What could not become a row of the log.
package struct DeadLetter: Sendable, Hashable {
    package let id: Int
    package let producer: ProducerID
    package let offset: UInt64
    package let reason: String
    package let bytes: [UInt8]
    package let at: Timestamp
}

/// A checkpoint that was signed, and the witnesses' lines.
package struct StoredCheckpoint: Sendable, Hashable {
    package let checkpoint: Checkpoint
    /// The log's own signature, then those of witnesses.
    package let note: SignedNote
    /// The witnesses who have cosigned.
    package let witnesses: [String]
}

/// Which rows of the log; what is nil does not matter.
package struct LogQuery: Sendable, Hashable {
    package var customer: [UInt8]?
    package var retailer: String?
    package var product: String?
    package var version: String?
    package var content: ContentDigest?
    package var host: String?
    package var trace: TraceID?
    package var type: String?
    package var order: UInt64?
    package var event: EventID?
    /// Of the events, from the first until before the second.
    package var since: Timestamp?
    package var until: Timestamp?
    /// Leaves behind this one, or with ``newestFirst`` before it.
    package var after: UInt64?
    package var newestFirst = false
    package var limit = 100

    package init() {}
}

package protocol LogReading: LedgerReading {
    func head() throws -> LogHead?
    func producer(_ id: ProducerID) throws -> Producer?
    func tile(_ place: TilePlace) throws -> [TreeHash]
    func leaves(_ query: LogQuery) throws -> [LogLeaf]
    func customer(number: UInt64) throws -> [UInt8]?
    func checkpoint(origin: String, size: UInt64) throws -> StoredCheckpoint?
    /// Signed checkpoints of all origins, newest first.
    func checkpoints(origin: String?, atMost size: UInt64, limit: Int) throws -> [StoredCheckpoint]
    /// The root that a size was given, signed or about to be.
    func root(origin: String, size: UInt64) throws -> TreeHash?
    func witnesses() throws -> [NoteKey]
    func deadLetters(after id: Int, limit: Int) throws -> [DeadLetter]
    func deadLetterCount() throws -> Int
    func recipients(_ product: String, _ version: String?, after: Recipient?, limit: Int) throws -> [Recipient]
    func horizons() throws -> [HostHorizon]
}

package protocol LogWriting: LogReading, LedgerWriting {
    func set(_ head: LogHead) throws
    /// The producer's row, made if need be.
    func producer(_ id: ProducerID, at time: Timestamp) throws -> Producer
    func move(_ producer: Producer, to mark: ProducerMark, ended: Bool, at time: Timestamp) throws
    /// Whether the entry is new: an event's id comes once.
    func insert(_ leaf: LogLeaf, of producer: Producer) throws -> Bool
    func put(_ tile: TilePlace, _ hashes: [TreeHash]) throws
    /// The customer's number, given if need be.
    func number(ofCustomer name: [UInt8]) throws -> UInt64
    func bury(_ bytes: [UInt8], at offset: UInt64, of producer: Producer, reason: String, time: Timestamp) throws
    func dropDeadLetter(_ id: Int) throws -> Bool
    func reserve(_ checkpoint: Checkpoint, at time: Timestamp) throws
    func store(_ note: SignedNote, of checkpoint: Checkpoint) throws
    func store(_ cosignature: SignedNote.Signature, of checkpoint: Checkpoint) throws
    func register(_ witness: NoteKey, at time: Timestamp) throws
    /// Drops salts, records and names of at most so many of the oldest entries before a time that still have them.
    func cut(before time: Int64, limit: Int) throws -> Int
    /// Drops salts, records, addresses and name of a customer; how many entries that were.
    func erase(customer: [UInt8]) throws -> Int
}
