import Events
package import FFSModel
package import Transparency

extension LogDatabase {
    package func leaves(_ query: LogQuery) async throws(Failure) -> [LogLeaf] {
        try await Self.failing { try await store.read { try $0.leaves(query) } }
    }

    /// How the log stands.
    package struct Status: Sendable, Hashable {
        package let head: LogHead
        /// The newest that was signed.
        package let checkpoint: StoredCheckpoint?
        package let witnesses: [NoteKey]
        package let deadLetters: Int
    }

    package func status() async throws(Failure) -> Status {
        try await Self.failing {
            try await store.read { db in
                guard let head = try db.head() else { throw Failure(.internal, "the log has no origin yet") }
                return Status(
                    head: head, checkpoint: try db.checkpoints(origin: head.origin, atMost: .max, limit: 1).first,
                    witnesses: try db.witnesses(), deadLetters: try db.deadLetterCount())
            }
        }
    }

    /// The key that signs the log as it is called now.
    package func publicKey() async throws(Failure) -> NoteKey {
        try key.signer(origin: try await status().head.origin).key
    }

    /// Signed checkpoints of all names that the log ever had, newest first.
    package func checkpoints(atMost size: UInt64, limit: Int) async throws(Failure) -> [StoredCheckpoint] {
        try await Self.failing {
            try await store.read { try $0.checkpoints(origin: nil, atMost: size, limit: limit) }
        }
    }

    package func deadLetters(after id: Int, limit: Int) async throws(Failure) -> [DeadLetter] {
        try await Self.failing { try await store.read { try $0.deadLetters(after: id, limit: limit) } }
    }

    package func dropDeadLetter(_ id: Int) async throws(Failure) {
        let isGone = try await Self.failing { try await store.write { try $0.dropDeadLetter(id) } }
        guard isGone else { throw Self.noDeadLetter(id) }
    }

    /// Tries again to make a row of a dead letter, as after an update that knows the format; it stays where that fails.
    package func retryDeadLetter(_ id: Int) async throws(Failure) {
        let now = clock()
        try await Self.failing {
            try await store.write { db in
                guard let letter = try db.deadLetters(after: id - 1, limit: 1).first, letter.id == id else {
                    throw Self.noDeadLetter(id)
                }
                let event: Event
                do throws(EventError) { event = try Event(record: letter.bytes) } catch {
                    throw Failure(.corrupt, "dead letter \(id) is still no record: \(error)")
                }
                let producer = try db.producer(letter.producer, at: letter.at)
                var intake = try LogIntake(db, at: now)
                try intake.append(event, at: letter.offset, of: producer, letter.producer)
                try intake.finish()
                _ = try db.dropDeadLetter(id)
            }
        }
    }

    private static func noDeadLetter(_ id: Int) -> Failure {
        Failure(.notFound, "there is no dead letter \(id); `ffsctl pipeline dead list` shows all")
    }
}
