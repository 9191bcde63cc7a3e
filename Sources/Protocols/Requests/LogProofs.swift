package import FFSModel
package import Tobj
package import Transparency

/// `log.status`: how the log stands.
package struct LogStatus: RequestMessage {
    package static var type: RequestType { .logStatus }

    package struct Reply: ReplyMessage, Hashable {
        package let origin: String
        package let size: UInt64
        /// That signs checkpoints under the log's present name.
        package let key: NoteKey
        /// The newest checkpoint; nil before the first.
        package let checkpoint: SignedNote?
        package let witnesses: [NoteKey]
        package let deadLetters: Int

        package init(
            origin: String, size: UInt64, key: NoteKey, checkpoint: SignedNote?, witnesses: [NoteKey], deadLetters: Int
        ) {
            self.origin = origin
            self.size = size
            self.key = key
            self.checkpoint = checkpoint
            self.witnesses = witnesses
            self.deadLetters = deadLetters
        }

        package init(fields: Fields) throws(Failure) {
            origin = try fields.text("origin")
            size = try fields.number("size")
            key = try fields.value("key") { try? NoteKey($0) }
            checkpoint = try fields.optionalNote("checkpoint")
            witnesses = try fields.all("row").map { row throws(Failure) in
                try Fields(row.children, of: "row").value("witness") { try? NoteKey($0) }
            }
            deadLetters = try fields.integer("dead-letters", in: 0...Int.max)
        }

        package var body: [Element] {
            var body: [Element] = [.field("origin", origin), .field("size", size), .field("key", key)]
            if let checkpoint { body.append(.base64("checkpoint", checkpoint.bytes)) }
            body += witnesses.map { Element("row", children: [.field("witness", $0)]) }
            return body + [.field("dead-letters", deadLetters)]
        }
    }

    package init() {}
    package init(fields: Fields) throws(Failure) { try fields.allowOnly([]) }
    package var body: [Element] { [] }
}

/// A row of `log.receipts`: an entry, and the proof that it is in the log.
package struct ReceiptRow: PageRow, Hashable {
    package let row: LogRow
    package let proof: LogProof
    /// How many witnesses have cosigned the proof's checkpoint, of how many.
    package let cosigned: Int
    package let witnesses: Int

    package init(row: LogRow, proof: LogProof, cosigned: Int, witnesses: Int) {
        self.row = row
        self.proof = proof
        self.cosigned = cosigned
        self.witnesses = witnesses
    }

    package init(fields: Fields) throws(Failure) {
        row = try LogRow(fields: fields)
        let bytes = try fields.base64("proof")
        do { proof = try LogProof(bytes: bytes) } catch {
            throw Failure(.badRequest, "\(fields.context): <proof> is not a C2SP tlog-proof")
        }
        cosigned = try fields.integer("cosigned", in: 0...Int.max)
        witnesses = try fields.integer("witnesses", in: 0...Int.max)
    }

    package var body: [Element] {
        row.body + [
            .base64("proof", proof.bytes), .field("cosigned", cosigned), .field("witnesses", witnesses),
        ]
    }
}

/// `log.receipts`: a customer's entries, or one event's, each with its proof.
package struct LogReceipts: RequestMessage {
    package typealias Reply = Page<ReceiptRow>
    package static var type: RequestType { .logReceipts }
    /// Needed on every link but the control socket.
    package let customer: CustomerName?
    package let event: ID128?
    /// Entries before this one; nil from the newest.
    package let after: UInt64?
    package let limit: Int

    package init(customer: CustomerName? = nil, event: ID128? = nil, after: UInt64? = nil, limit: Int = 100) {
        self.customer = customer
        self.event = event
        self.after = after
        self.limit = limit
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["customer", "event", "after", "limit"])
        customer = try fields.optionalName("customer")
        event = try fields.optionalValue("event") { ID128($0) }
        after = try fields.optionalNumber("after")
        limit = try fields.pageLimit()
        guard customer != nil || event != nil else {
            throw Failure(.badRequest, "\(fields.context) needs a <customer> or an <event> field")
        }
    }

    package var body: [Element] {
        var body: [Element] = []
        if let customer { body.append(.field("customer", customer)) }
        if let event { body.append(.field("event", event)) }
        if let after { body.append(.field("after", after)) }
        return body + [.field("limit", limit)]
    }
}

/// A row of `log.checkpoints`.
package struct CheckpointRow: PageRow, Hashable {
    package let note: SignedNote

    package init(_ note: SignedNote) { self.note = note }

    package init(fields: Fields) throws(Failure) { note = try fields.note("checkpoint") }

    package var body: [Element] { [.base64("checkpoint", note.bytes)] }
}

/// `log.checkpoints`: what was signed, newest first, under all names that the log ever had.
package struct LogCheckpoints: RequestMessage {
    package typealias Reply = Page<CheckpointRow>
    package static var type: RequestType { .logCheckpoints }
    /// Of logs of at most so many entries; nil from the newest.
    package let size: UInt64?
    package let limit: Int

    package init(size: UInt64? = nil, limit: Int = 100) {
        self.size = size
        self.limit = limit
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["size", "limit"])
        size = try fields.optionalNumber("size")
        limit = try fields.pageLimit()
    }

    package var body: [Element] { (size.map { [.field("size", $0)] } ?? []) + [.field("limit", limit)] }
}

/// `log.witness`: a host tells which checkpoint it saw last, and its cosignature of it, and gets the newest with the proof that the
/// log has only grown since.
package struct LogWitness: RequestMessage {
    package static var type: RequestType { .logWitness }
    /// The host's.
    package let key: NoteKey
    package let seen: SignedNote?
    package let cosignature: SignedNote.Signature?

    package struct Reply: ReplyMessage, Hashable {
        package let checkpoint: SignedNote
        package let proof: [TreeHash]

        package init(checkpoint: SignedNote, proof: [TreeHash]) {
            self.checkpoint = checkpoint
            self.proof = proof
        }

        package init(fields: Fields) throws(Failure) {
            checkpoint = try fields.note("checkpoint")
            proof = try fields.all("row").map { row throws(Failure) in
                try Fields(row.children, of: "row").value("hash") { TreeHash($0) }
            }
        }

        package var body: [Element] {
            [.base64("checkpoint", checkpoint.bytes)]
                + proof.map { Element("row", children: [.field("hash", $0)]) }
        }
    }

    package init(key: NoteKey, seen: SignedNote? = nil, cosignature: SignedNote.Signature? = nil) {
        self.key = key
        self.seen = seen
        self.cosignature = cosignature
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["key", "seen", "cosignature"])
        key = try fields.value("key") { try? NoteKey($0) }
        seen = try fields.optionalNote("seen")
        cosignature = try fields.optionalBase64("cosignature").map { line throws(Failure) in
            do { return try SignedNote.Signature(line: line.dropLast()) } catch {
                throw Failure(.badRequest, "\(fields.context): <cosignature> is not a note's signature")
            }
        }
    }

    package var body: [Element] {
        var body: [Element] = [.field("key", key)]
        if let seen { body.append(.base64("seen", seen.bytes)) }
        if let cosignature { body.append(.base64("cosignature", cosignature.line)) }
        return body
    }
}

/// `log.cut`: drops salts, records and names: of all entries before a time, or of a customer.
package struct LogCut: RequestMessage {
    package static var type: RequestType { .logCut }
    package let before: Timestamp?
    package let customer: CustomerName?

    package struct Reply: ReplyMessage, Hashable {
        package let count: Int

        package init(count: Int) { self.count = count }
        package init(fields: Fields) throws(Failure) { count = try fields.integer("count", in: 0...Int.max) }
        package var body: [Element] { [.field("count", count)] }
    }

    package init(before: Timestamp? = nil, customer: CustomerName? = nil) {
        self.before = before
        self.customer = customer
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["before", "customer"])
        before = try fields.optionalTimestamp("before")
        customer = try fields.optionalName("customer")
        guard (before == nil) != (customer == nil) else {
            throw Failure(.badRequest, "\(fields.context) needs either <before> or <customer>")
        }
    }

    package var body: [Element] {
        var body: [Element] = []
        if let before { body.append(.field("before", before)) }
        if let customer { body.append(.field("customer", customer)) }
        return body
    }
}

extension Fields {
    func note(_ name: String) throws(Failure) -> SignedNote {
        let bytes = try base64(name)
        do { return try SignedNote(bytes: bytes) } catch {
            throw Failure(.badRequest, "\(context): <\(name)> is not a C2SP signed note")
        }
    }

    func optionalNote(_ name: String) throws(Failure) -> SignedNote? {
        optional(name) == nil ? nil : try note(name)
    }
}
