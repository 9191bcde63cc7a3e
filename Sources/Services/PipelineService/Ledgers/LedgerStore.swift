package import FFSModel
package import Transparency

/// An item of an order: what is delivered and charged once.
package struct DeliveryKey: Sendable, Hashable {
    package let order: UInt64
    package let product: String
    package let version: String
}

/// What an order's item has come to.
package struct Delivery: Sendable, Hashable {
    package let key: DeliveryKey
    package let content: ContentDigest?
    package let customer: UInt64?
    package let retailer: String?
    /// Bytes that have arrived, over all files and hosts.
    package var covered: UInt64
}

/// An entry of a ledger.
package struct Charge: Sendable, Hashable {
    package enum Ledger: String, Sendable, CaseIterable {
        /// To the operator, for each delivery that was begun.
        case service
        /// To the owner of the content, for each delivery that was completed.
        case content
    }

    package let id: Int
    package let ledger: Ledger
    package let delivery: DeliveryKey
    package let customer: UInt64?
    package let retailer: String?
    /// In hundredths of the currency.
    package let amount: Int
    /// The entry of the log that made it due.
    package let leaf: UInt64
    package let at: Timestamp
}

/// The tables of the ledgers, in the log's database.
package protocol LedgerReading {
    /// The ledgers have been told of all leaves before this one.
    func posted() throws -> UInt64
    /// Entries from `leaf` that ledgers care about.
    func deliveries(from leaf: UInt64, limit: Int) throws -> [LogLeaf]
    func publishedBytes(of content: ContentDigest) throws -> UInt64?
    func charges(_ query: ChargeQuery) throws -> [Charge]
    /// Orders behind this one of which there are downloads or charges.
    func orders(after order: UInt64, limit: Int) throws -> [UInt64]
    /// An order's downloads.
    func downloads(order: UInt64) throws -> [LogColumns]
}

package protocol LedgerWriting: LedgerReading {
    func setPosted(_ leaf: UInt64) throws
    func publish(_ content: ContentDigest, bytes: UInt64) throws
    /// Adds a range; what the item has come to by that.
    func cover(_ range: Range<UInt64>, path: [UInt8], of delivery: Delivery) throws -> Delivery
    /// Deliveries of a content that its size completes.
    func deliveries(of content: ContentDigest, covering bytes: UInt64) throws -> [Delivery]
    /// Once for each ledger and item; later ones change nothing.
    func charge(_ ledger: Charge.Ledger, _ delivery: Delivery, amount: Int, leaf: UInt64, at time: Timestamp) throws
}

/// Which charges; what is nil does not matter.
package struct ChargeQuery: Sendable, Hashable {
    package var ledger: Charge.Ledger?
    package var product: String?
    package var order: UInt64?
    package var after = 0
    package var limit = 100

    package init() {}
}
