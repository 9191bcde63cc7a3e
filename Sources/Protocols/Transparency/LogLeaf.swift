package import Events
package import FFSModel

/// The columns of the log by which it is searched and counted: all of them follow from the record.
package struct LogColumns: Sendable, Hashable {
    package let node: NodeName
    package let incarnation: ID128
    package let segment: ID128
    package let offset: UInt64
    package let type: String
    package let event: EventID
    /// Nanoseconds since 1970, by the clock of the host that recorded the event.
    package let time: Int64
    package let arrived: Int64
    package let trace: TraceID?
    package let customer: UInt64?
    package let retailer: String?
    package let product: String?
    package let version: String?
    package let content: ContentDigest?
    /// Where it happened.
    package let host: String
    package let account: String?
    package let order: UInt64?
    package let path: [UInt8]?
    package let from: UInt64?
    package let to: UInt64?
    package let size: UInt64?
    package let outcome: String?

    package init(_ record: LogRecord) {
        let event = record.event
        /// Names as people and SQL write them; anything else stays in the record alone.
        func word(_ field: EventField) -> String? {
            guard let bytes = event[field], (1...255).contains(bytes.count),
                bytes.allSatisfy({ (0x21...0x7E).contains($0) })
            else { return nil }
            return String(decoding: bytes, as: UTF8.self)
        }
        /// What SQL can hold.
        func number(_ field: EventField) -> UInt64? { event.integer(field).flatMap { $0 <= Int64.max ? $0 : nil } }
        node = record.node
        incarnation = record.incarnation
        segment = record.segment
        offset = record.offset
        type = event.type.rawValue
        self.event = event.id
        time = event.time
        arrived = record.arrived
        trace = event.trace
        customer = record.customer == 0 ? nil : record.customer
        retailer = word(.retailer)
        product = word(.product)
        version = word(.version)
        content = event.digest(.content)
        host = word(.host) ?? record.node.text
        account = word(.account)
        order = number(.order)
        path = event[.path]
        from = number(.from)
        to = number(.to)
        size = number(.size)
        outcome = word(.outcome)
    }

    package init(
        node: NodeName, incarnation: ID128, segment: ID128, offset: UInt64, type: String, event: EventID, time: Int64,
        arrived: Int64, trace: TraceID?, customer: UInt64?, retailer: String?, product: String?, version: String?,
        content: ContentDigest?, host: String, account: String?, order: UInt64?, path: [UInt8]?, from: UInt64?,
        to: UInt64?, size: UInt64?, outcome: String?
    ) {
        self.node = node
        self.incarnation = incarnation
        self.segment = segment
        self.offset = offset
        self.type = type
        self.event = event
        self.time = time
        self.arrived = arrived
        self.trace = trace
        self.customer = customer
        self.retailer = retailer
        self.product = product
        self.version = version
        self.content = content
        self.host = host
        self.account = account
        self.order = order
        self.path = path
        self.from = from
        self.to = to
        self.size = size
        self.outcome = outcome
    }
}

/// An entry of the log, as it is kept.
package struct LogLeaf: Sendable, Hashable {
    /// Its place in the tree.
    package let leaf: UInt64
    package let columns: LogColumns
    package let commitment: TreeHash
    /// Salt and record; nil once they were cut.
    package let body: Body?
    /// The personal part and its salt; nil once they were cut, or where nobody is named.
    package let person: Person?

    package struct Body: Sendable, Hashable {
        package let salt: [UInt8]
        package let record: [UInt8]

        package init(salt: [UInt8], record: [UInt8]) {
            self.salt = salt
            self.record = record
        }
    }

    package struct Person: Sendable, Hashable {
        package let salt: [UInt8]
        package let part: PersonalPart

        package init(salt: [UInt8], part: PersonalPart) {
            self.salt = salt
            self.part = part
        }
    }

    package init(leaf: UInt64, columns: LogColumns, commitment: TreeHash, body: Body?, person: Person?) {
        self.leaf = leaf
        self.columns = columns
        self.commitment = commitment
        self.body = body
        self.person = person
    }

    /// What is wrong with an entry by itself; nil where its parts agree.
    package var flaw: String? {
        guard let body else { return person == nil ? nil : "the record was cut, but not who it names" }
        guard TreeHashing.commitment(salt: body.salt, record: body.record) == commitment else {
            return "salt and record do not give the commitment"
        }
        guard let record = try? LogRecord(bytes: body.record) else { return "the record cannot be read" }
        guard LogColumns(record) == columns else { return "the columns differ from the record" }
        guard let person else { return nil }
        return person.part.digest(salt: person.salt) == record.personalDigest
            ? nil : "who it names is not who it named"
    }
}
