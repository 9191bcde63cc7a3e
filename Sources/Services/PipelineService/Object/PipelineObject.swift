import Compression
package import FFSModel
import Logging
import Metrics
import Pipeline
package import Requests
import Synchronization
import SystemSupport

/// The end of the pipeline: takes batches, and acknowledges what the log has committed.
package struct PipelineObject: PushTarget {
    private let database: LogDatabase
    private let keys: PipelineKeys
    private let folders: KnownFolders

    package init(database: LogDatabase, keys: PipelineKeys) {
        self.database = database
        self.keys = keys
        folders = KnownFolders()
    }

    /// Serves `pipe.push` and `dead.*`.
    package func add(to table: inout RequestTable) {
        table.on(PipePush.self) { [self] message, _ in try await push(message) }
        table.on(DeadLetterList.self) { [database] message, _ in
            let letters = try await database.deadLetters(after: message.after, limit: message.limit + 1)
            return Page(fitting: letters.map { DeadLetterRow($0) }, limit: message.limit)
        }
        table.on(DeadLetterRetry.self) { [database] message, _ in
            try await database.retryDeadLetter(message.id)
            return Done()
        }
        table.on(DeadLetterDrop.self) { [database] message, _ in
            try await database.dropDeadLetter(message.id)
            return Done()
        }
    }

    package func push(_ message: PipePush) async throws(Failure) -> PipePush.Reply {
        let key = try keys.key(of: message.node)
        guard let bytes = ZlibStream.inflate(message.batch, limit: ProducerBatch.longest) else {
            throw Failure(.corrupt, "a batch of node \(message.node) is damaged; it will be sent again")
        }
        let batch = try ProducerBatch(encoded: bytes, node: message.node)
        guard key.isSeal(message.mac, of: batch, nonce: message.nonce) else {
            throw Failure(
                .denied,
                "a batch in the name of node \(message.node) does not carry the seal of its key: somebody else sent it, or the key there is another"
            )
        }
        try folders.verify(batch)
        let mark = try await database.ingest(batch)
        let log = try await database.name()
        Counter(label: "ffs_pipeline_received_total").increment(by: batch.records.count)
        return PipePush.Reply(
            offset: Int(mark.offset), hash: mark.hash.bytes, log: log,
            mac: key.seal(mark, log: log, of: batch, nonce: message.nonce))
    }
}

/// Which node each journal folder came from: the same folder on two hosts is a copy, whose events would be counted twice.
/// Bounded; both copies send, so a start of the object does not hide it for long.
private final class KnownFolders: Sendable {
    private let nodes = Mutex(BoundedMap<ID128, NodeName>(capacity: 65_536))

    func verify(_ batch: ProducerBatch) throws(Failure) {
        let first = nodes.withLock { nodes -> NodeName in
            if let known = nodes[batch.incarnation] { return known }
            nodes[batch.incarnation] = batch.node
            return batch.node
        }
        guard first == batch.node else {
            throw Failure(
                .denied,
                "the journal folder \(batch.stream) of node \(batch.node) is a copy of one of node \(first) (incarnation \(batch.incarnation)): stop the daemons of the copied host and remove its folder, they make another"
            )
        }
    }
}

extension LogDatabase {
    /// What the log is called now.
    func name() async throws(Failure) -> String {
        try await Self.failing {
            try await store.read { db in
                guard let head = try db.head() else { throw Failure(.internal, "the log has no origin yet") }
                return head.origin
            }
        }
    }
}

extension DeadLetterRow {
    init(_ letter: DeadLetter) {
        self.init(
            id: letter.id, node: letter.producer.node, stream: letter.producer.stream,
            segment: letter.producer.segment, offset: Int(letter.offset), reason: letter.reason, at: letter.at,
            record: letter.bytes)
    }
}
