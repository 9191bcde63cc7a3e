package import FFSModel

/// Whose content an event is about: what an account's record tells of the customer, the order and the version.
package struct EventSubject: Sendable, Hashable {
    package var trace: TraceID?
    package var customer: [UInt8]
    package var retailer: [UInt8]?
    /// nil for what belongs to no single version, such as the account's list of digests.
    package var product: [UInt8]?
    package var version: [UInt8]?
    /// SHA-256 of the version's manifest.
    package var content: ContentDigest?
    package var account: [UInt8]
    package var order: UInt64?
    /// Protection level.
    package var level: UInt64?

    package init(
        customer: [UInt8], account: [UInt8], trace: TraceID? = nil, retailer: [UInt8]? = nil, product: [UInt8]? = nil,
        version: [UInt8]? = nil, content: ContentDigest? = nil, order: UInt64? = nil, level: UInt64? = nil
    ) {
        self.customer = customer
        self.account = account
        self.trace = trace
        self.retailer = retailer
        self.product = product
        self.version = version
        self.content = content
        self.order = order
        self.level = level
    }

    /// The fields from ``EventField/trace`` to ``EventField/order``.
    package func append(to encoder: inout EventEncoder) {
        if let trace { encoder.append(.trace, trace) }
        if !customer.isEmpty { encoder.append(.customer, customer) }
        if let retailer { encoder.append(.retailer, retailer) }
        if let product { encoder.append(.product, product) }
        if let version { encoder.append(.version, version) }
        if let content { encoder.append(.content, content) }
        encoder.append(.account, account)
        if let order { encoder.append(.order, order) }
    }
}

extension TransferEvent {
    /// The third rendering: the record of a `download.…` event. No dictionary is made: it stands between a client and the
    /// last byte of what it fetches.
    package func record(
        _ type: EventType, id: EventID, time: Int64, of subject: EventSubject, isMetered: Bool = false
    ) -> [UInt8] {
        var encoder = EventEncoder(type, id: id, time: time)
        subject.append(to: &encoder)
        encoder.append(.path, path)
        if let digest { encoder.append(.digest, digest) }
        encoder.append(.from, offset)
        encoder.append(.to, to ?? offset + bytes)
        if let size { encoder.append(.size, size) }
        encoder.append(.duration, UInt64(max(0, nanoseconds)))
        if let end { encoder.append(.reason, end) }
        encoder.append(.peer, peer.description)
        encoder.append(.service, service.rawValue)
        if let tls { encoder.append(.tls, tls.protection) }
        encoder.append(.session, session)
        let flags = flags(isMetered: isMetered)
        if !flags.isEmpty { encoder.append(.flags, flags) }
        if let level = subject.level { encoder.append(.level, level) }
        // What went over the wire, where the range of the file does not tell it.
        if to != nil { encoder.append(.bytes, bytes) }
        return encoder.bytes
    }

    private func flags(isMetered: Bool) -> String {
        guard isASCII || isDeflated || isMetered || tls?.isResumed == true else { return "" }
        var words: [String] = []
        if isASCII { words.append("ascii") }
        if isDeflated { words.append("deflated") }
        if isMetered { words.append("metered") }
        if tls?.isResumed == true { words.append("resumed") }
        return words.joined(separator: " ")
    }
}
