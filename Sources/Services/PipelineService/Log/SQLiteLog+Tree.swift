import FFSModel
import FoundationEssentials
import GRDB
import Pipeline
import Transparency

extension SQLiteLog {
    private static func place(_ tile: TilePlace) -> Int64 { Int64(tile.level) << 56 | Int64(tile.number) }

    func tile(_ place: TilePlace) throws -> [TreeHash] {
        let statement = try db.cachedStatement(sql: "SELECT hashes FROM tiles WHERE place = ?")
        guard let data = try Data.fetchOne(statement, arguments: [Self.place(place)]) else { return [] }
        let bytes = Array(data)
        return try stride(from: 0, to: bytes.count, by: 32).map { start in
            guard let hash = TreeHash(bytes: bytes[start..<min(start + 32, bytes.count)]) else {
                throw damaged("a tile")
            }
            return hash
        }
    }

    func put(_ tile: TilePlace, _ hashes: [TreeHash]) throws {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(32 * hashes.count)
        for hash in hashes { bytes += hash.bytes }
        try execute(
            "INSERT INTO tiles (place, hashes) VALUES (?, ?) ON CONFLICT (place) DO UPDATE SET hashes = excluded.hashes",
            [Self.place(tile), Data(bytes)])
    }

    func checkpoint(origin: String, size: UInt64) throws -> StoredCheckpoint? {
        try Row.fetchOne(
            db, sql: "SELECT * FROM checkpoints WHERE origin = ? AND size = ? AND note IS NOT NULL",
            arguments: [origin, Int64(size)]
        ).map(checkpoint)
    }

    func checkpoints(origin: String?, atMost size: UInt64, limit: Int) throws -> [StoredCheckpoint] {
        try Row.fetchAll(
            db,
            sql: """
                SELECT * FROM checkpoints WHERE note IS NOT NULL AND size <= ? AND (? IS NULL OR origin = ?)
                ORDER BY size DESC, signed DESC LIMIT ?
                """, arguments: [Int64(clamping: size), origin, origin, limit]
        ).map(checkpoint)
    }

    private func checkpoint(_ row: Row) throws -> StoredCheckpoint {
        guard let bytes = row.bytes("note"), var note = try? SignedNote(bytes: bytes),
            let checkpoint = try? Checkpoint(text: note.text)
        else { throw damaged("a checkpoint") }
        let lines = try Row.fetchAll(
            db, sql: "SELECT witness, line FROM cosignatures WHERE origin = ? AND size = ? ORDER BY witness",
            arguments: [row["origin"] as String, row["size"] as Int64])
        for line in lines {
            let text = line.bytes("line")?.dropLast() ?? []
            guard let signature = try? SignedNote.Signature(line: text) else { throw damaged("a cosignature") }
            note.signatures.append(signature)
        }
        return StoredCheckpoint(checkpoint: checkpoint, note: note, witnesses: lines.map { $0["witness"] })
    }

    func root(origin: String, size: UInt64) throws -> TreeHash? {
        try Data.fetchOne(
            db, sql: "SELECT root FROM checkpoints WHERE origin = ? AND size = ?", arguments: [origin, Int64(size)]
        ).map { data in
            guard let root = TreeHash(bytes: Array(data)) else { throw damaged("a root") }
            return root
        }
    }

    func reserve(_ checkpoint: Checkpoint, at time: Timestamp) throws {
        try execute(
            "INSERT INTO checkpoints (origin, size, root, signed) VALUES (?, ?, ?, ?)",
            [checkpoint.origin, Int64(checkpoint.size), Data(checkpoint.root.bytes), time.seconds])
    }

    func store(_ note: SignedNote, of checkpoint: Checkpoint) throws {
        try execute(
            "UPDATE checkpoints SET note = ? WHERE origin = ? AND size = ?",
            [Data(note.bytes), checkpoint.origin, Int64(checkpoint.size)])
    }

    func store(_ cosignature: SignedNote.Signature, of checkpoint: Checkpoint) throws {
        try execute(
            "INSERT INTO cosignatures (origin, size, witness, line) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [checkpoint.origin, Int64(checkpoint.size), cosignature.name, Data(cosignature.line)])
    }

    func witnesses() throws -> [NoteKey] {
        try String.fetchAll(db, sql: "SELECT key FROM witnesses ORDER BY name").map { text in
            guard let key = try? NoteKey(text) else { throw damaged("a witness's key") }
            return key
        }
    }

    func register(_ witness: NoteKey, at time: Timestamp) throws {
        try execute(
            "INSERT INTO witnesses (name, key, registered) VALUES (?, ?, ?)",
            [witness.name, witness.description, time.seconds])
    }

    func bury(_ bytes: [UInt8], at offset: UInt64, of producer: Producer, reason: String, time: Timestamp) throws {
        // A repeat of what is here already says nothing new.
        try execute(
            """
            INSERT INTO dead_letters (producer, number, reason, bytes, at) SELECT :producer, :number, :reason, :bytes, :at
            WHERE NOT EXISTS (SELECT 1 FROM dead_letters
                WHERE producer = :producer AND number = :number AND reason = :reason AND bytes = :bytes)
            """,
            [
                "producer": producer.row, "number": Int64(bitPattern: offset), "reason": reason, "bytes": Data(bytes),
                "at": time.seconds,
            ])
    }

    func deadLetters(after id: Int, limit: Int) throws -> [DeadLetter] {
        try Row.fetchAll(
            db,
            sql: """
                SELECT d.*, p.node, p.incarnation, p.segment, p.stream FROM dead_letters d
                JOIN producers p ON p.id = d.producer WHERE d.id > ? ORDER BY d.id LIMIT ?
                """, arguments: [id, limit]
        ).map { row in
            guard let node = try? NodeName(row["node"] as String),
                let incarnation = ID128(bytes: row.bytes("incarnation") ?? []),
                let segment = ID128(bytes: row.bytes("segment") ?? [])
            else { throw damaged("a producer") }
            return DeadLetter(
                id: row["id"],
                producer: ProducerID(node: node, incarnation: incarnation, segment: segment, stream: row["stream"]),
                offset: UInt64(bitPattern: row["number"] as Int64), reason: row["reason"],
                bytes: row.bytes("bytes") ?? [], at: Timestamp(seconds: row["at"]))
        }
    }

    func deadLetterCount() throws -> Int { try Int.fetchOne(db, sql: "SELECT count(*) FROM dead_letters") ?? 0 }

    func dropDeadLetter(_ id: Int) throws -> Bool {
        try execute("DELETE FROM dead_letters WHERE id = ?", [id])
        return db.changesCount == 1
    }
}
