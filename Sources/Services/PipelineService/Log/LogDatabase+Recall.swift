package import FFSModel

/// Who received something of a product, by order and host.
package struct Recipient: Sendable, Hashable {
    /// The customer's number in the log, and the name unless it was erased.
    package let customer: UInt64?
    package let name: [UInt8]?
    package let order: UInt64?
    package let version: String
    package let host: String
    /// Bytes sent, those sent twice counted twice.
    package let bytes: UInt64
    /// Of the first download and the last, nanoseconds since 1970.
    package let first: Int64
    package let last: Int64
    /// The last entry that says so, for its proof.
    package let leaf: UInt64
}

/// Up to when the log knows what a host did.
package struct HostHorizon: Sendable, Hashable {
    package let node: NodeName
    /// When something last came from it: what it did after that may be missing.
    package let arrived: Timestamp
}

extension LogDatabase {
    /// Who received what of a product, or of one version; complete for each host up to the time that ``horizons()`` tells. In the order of
    /// customers' numbers, orders and hosts, a page behind `after`.
    package func recipients(
        of product: ProductName, version: VersionName?, after: Recipient? = nil, limit: Int
    ) async throws(Failure) -> [Recipient] {
        try await Self.failing {
            try await store.read { try $0.recipients(product.text, version?.text, after: after, limit: limit) }
        }
    }

    /// Every host that has ever told anything, and up to when.
    package func horizons() async throws(Failure) -> [HostHorizon] {
        try await Self.failing { try await store.read { try $0.horizons() } }
    }
}
