package import FFSModel
import Logging
package import Transparency

extension LogDatabase {
    /// The checkpoint of all that is in the log now: its root is written down by a synchronous commit of its own, then in a file, and
    /// then signed, so that no size ever gets a second root.
    package func checkpoint() async throws(Failure) -> StoredCheckpoint {
        let time = Timestamp(seconds: clock() / 1_000_000_000)
        if let known = try await current() { return known }
        let (checkpoint, signed) = try await Self.failing {
            try await store.write { db -> (Checkpoint, StoredCheckpoint?) in
                guard let head = try db.head() else { throw Failure(.internal, "the log has no origin yet") }
                let root = try TileAppender(size: head.size) { try db.tile($0) }.root
                let checkpoint = Checkpoint(origin: head.origin, size: head.size, root: root)
                if let known = try db.root(origin: head.origin, size: head.size) {
                    guard known == root else { throw Self.rewritten(head.size) }
                    return (checkpoint, try db.checkpoint(origin: head.origin, size: head.size))
                }
                try db.reserve(checkpoint, at: time)
                return (checkpoint, nil)
            }
        }
        if let signed { return signed }
        try key.remember(checkpoint)
        let signature: SignedNote.Signature
        do { signature = try key.signer(origin: checkpoint.origin).sign(checkpoint.text) } catch let failure as Failure
        {
            throw failure
        } catch { throw Failure(.internal, "the checkpoint cannot be signed", cause: "\(error)") }
        let note = SignedNote(text: checkpoint.text, signatures: [signature])
        try await Self.failing { try await store.write { try $0.store(note, of: checkpoint) } }
        return StoredCheckpoint(checkpoint: checkpoint, note: note, witnesses: [])
    }

    /// The checkpoint of all that is in the log, where there is one and the tree still bears it out.
    private func current() async throws(Failure) -> StoredCheckpoint? {
        try await Self.failing {
            try await store.read { db in
                guard let head = try db.head(),
                    let stored = try db.checkpoint(origin: head.origin, size: head.size)
                else { return nil }
                let root = try TileAppender(size: head.size) { try db.tile($0) }.root
                guard stored.checkpoint.root == root else { throw Self.rewritten(head.size) }
                return stored
            }
        }
    }

    private static func rewritten(_ size: UInt64) -> Failure {
        Failure(
            .corrupt,
            "the log of \(size) entries is not the one that was signed; `ffsctl log verify` says where, a backup mends it"
        )
    }

    /// The newest signed checkpoint of the log as it is called now.
    package func newest() async throws(Failure) -> StoredCheckpoint {
        let found = try await Self.failing {
            try await store.read { db in
                try db.head().flatMap { try db.checkpoints(origin: $0.origin, atMost: .max, limit: 1).first }
            }
        }
        if let found { return found }
        return try await checkpoint()
    }

    /// What a host is answered that wants to see the log grow.
    package struct WitnessAnswer: Sendable, Hashable {
        package let checkpoint: StoredCheckpoint
        /// From the checkpoint that the host saw last.
        package let proof: [TreeHash]
    }

    /// A host tells which checkpoint it saw last, with its cosignature, and gets the newest one with the proof that the log has only
    /// grown. A checkpoint signed here that the log does not bear out shows that the log was restored.
    package func witness(
        _ witness: NoteKey, of host: NodeName, seen: SignedNote?, cosignature: SignedNote.Signature?
    ) async throws(Failure) -> WitnessAnswer {
        guard witness.kind == .cosignature, witness.name == host.text else {
            throw Failure(.denied, "a host cosigns under its own name alone; this one is \(host)")
        }
        try await register(witness)
        guard let seen else { return WitnessAnswer(checkpoint: try await newest(), proof: []) }
        let (checkpoint, isBorneOut) = try await check(seen)
        guard isBorneOut else {
            try await begin(after: checkpoint, reason: "\(host) has seen a log that is not this one")
            return WitnessAnswer(checkpoint: try await self.checkpoint(), proof: [])
        }
        if let cosignature {
            guard witness.hasSigned(SignedNote(text: seen.text, signatures: [cosignature])) else {
                throw Failure(.badRequest, "the cosignature is not \(host)'s, or not of this checkpoint")
            }
            try await Self.failing { try await store.write { try $0.store(cosignature, of: checkpoint) } }
        }
        let latest = try await newest()
        guard latest.checkpoint.origin == checkpoint.origin else { return WitnessAnswer(checkpoint: latest, proof: []) }
        let proof = try await Self.failing {
            try await store.read { db in
                try TreeReader { try db.tile($0) }.consistency(from: checkpoint.size, to: latest.checkpoint.size)
            }
        }
        return WitnessAnswer(checkpoint: latest, proof: proof)
    }

    /// A host's first key is its key.
    private func register(_ witness: NoteKey) async throws(Failure) {
        let time = Timestamp(seconds: clock() / 1_000_000_000)
        let known = try await Self.failing { try await store.read { try $0.witnesses() } }
        guard let own = known.first(where: { $0.name == witness.name }) else {
            try await Self.failing { try await store.write { try $0.register(witness, at: time) } }
            logger.notice("a host cosigns the log from now on", metadata: ["witness": "\(witness)"])
            return
        }
        guard own == witness else {
            throw Failure(
                .denied, "\(witness.name) cosigns with another key than before; give it its old key file again")
        }
    }

    /// Whether the log is what the checkpoint says; one of an earlier name is not judged.
    private func check(_ seen: SignedNote) async throws(Failure) -> (Checkpoint, Bool) {
        let checkpoint: Checkpoint
        do { checkpoint = try Checkpoint(text: seen.text) } catch {
            throw Failure(.badRequest, "what the host has seen is no checkpoint")
        }
        guard try key.signer(origin: checkpoint.origin).key.hasSigned(seen) else {
            logger.error("a host has seen a forged checkpoint", metadata: ["origin": "\(checkpoint.origin)"])
            throw Failure(.corrupt, "the checkpoint that the host has seen was not signed by this log: it is forged")
        }
        return try await Self.failing {
            try await store.read { db in
                guard let head = try db.head(), head.origin == checkpoint.origin else { return (checkpoint, true) }
                guard checkpoint.size <= head.size else { return (checkpoint, false) }
                let root = try TreeReader { try db.tile($0) }.root(size: checkpoint.size)
                return (checkpoint, root == checkpoint.root)
            }
        }
    }

    /// An entry with the proof that it is in the log.
    package struct Receipt: Sendable, Hashable {
        package let leaf: LogLeaf
        package let proof: LogProof
        /// Who has cosigned the checkpoint, and how many there are who could.
        package let cosigned: [String]
        package let witnesses: Int
    }

    /// Entries with their proofs, against the newest checkpoint that more than half of the witnesses have cosigned, or else against the
    /// newest of all.
    package func receipts(_ query: LogQuery) async throws(Failure) -> [Receipt] {
        let latest = try await checkpoint()
        return try await Self.failing {
            try await store.read { db in
                let witnesses = try db.witnesses().count
                let recent = try db.checkpoints(origin: latest.checkpoint.origin, atMost: .max, limit: 200)
                let reader = TreeReader { try db.tile($0) }
                return try db.leaves(query).map { leaf in
                    let cosigned = recent.first {
                        $0.checkpoint.size > leaf.leaf && 2 * $0.witnesses.count > witnesses
                    }
                    let best = cosigned ?? latest
                    let path = try reader.inclusion(of: leaf.leaf, size: best.checkpoint.size)
                    return Receipt(
                        leaf: leaf, proof: LogProof(index: leaf.leaf, path: path, checkpoint: best.note),
                        cosigned: best.witnesses, witnesses: witnesses)
                }
            }
        }
    }
}
