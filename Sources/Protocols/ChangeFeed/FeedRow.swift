package import FFSModel

/// A place in the change feed: the number of a row, and the random nonce that this row alone has. A master database that was
/// restored from a backup gives numbers a second time, but never their nonces.
package struct FeedPosition: Sendable, Hashable, CustomStringConvertible {
    /// 0 before the first row.
    package let number: Int
    package let nonce: UInt64

    package init(number: Int, nonce: UInt64) {
        self.number = number
        self.nonce = nonce
    }

    /// Where a feed that has no rows stands.
    package static let empty = FeedPosition(number: 0, nonce: 0)

    /// `17-00f1e2d3c4b5a697`: the number, and the nonce in 16 hexadecimal digits.
    package var description: String {
        let bytes = (0..<8).map { UInt8(truncatingIfNeeded: nonce >> (56 - 8 * $0)) }
        return "\(number)-\(Hex.string(bytes))"
    }

    /// The inverse of `description`; nil for anything else.
    package init?(_ text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard parts.count == 2, (1...19).contains(parts[0].count), parts[1].count == 16,
            parts[0].allSatisfy({ (0x30...0x39).contains($0) }),
            parts[0].first != UInt8(ascii: "0") || parts[0].count == 1,
            let number = Int(String(decoding: parts[0], as: UTF8.self)), let nonce = Hex.decode(Array(parts[1]))
        else { return nil }
        self.init(number: number, nonce: nonce.reduce(0) { $0 << 8 | UInt64($1) })
    }
}

/// One row of the change feed: what changed, never its contents. Keys are as the row had them, so that SQL written by hand can
/// have put any text there; what is no name of FFS's belongs to nothing that a host holds.
package struct FeedRow: Sendable, Hashable {
    package enum Entity: String, Sendable, CaseIterable {
        case customer, person, token, product, version, content, location, level, entitlement, node, retailer
    }
    package enum Operation: String, Sendable, CaseIterable { case insert, update, delete }
    /// The columns that name what changed; absent where they do not apply to the entity.
    package enum Column: String, Sendable, CaseIterable {
        case customer, product, version, manifest, node, retailer
        /// Of a person, token, location or level.
        case name
    }

    package let position: FeedPosition
    package let entity: Entity
    package let operation: Operation
    package let keys: [Column: String]

    package init(position: FeedPosition, entity: Entity, operation: Operation, keys: [Column: String]) {
        self.position = position
        self.entity = entity
        self.operation = operation
        self.keys = keys
    }

    package subscript(column: Column) -> String? { keys[column] }

    /// What holders of cached things look them up by.
    package var key: FeedKey { FeedKey(entity: entity, row: keys) }
}

/// What a cached thing depends on, and what a row of the feed ends. An entitlement's key leaves the version out: a grant of all
/// versions concerns each of them.
package struct FeedKey: Sendable, Hashable {
    private let entity: FeedRow.Entity
    private let names: [String?]

    fileprivate init(entity: FeedRow.Entity, row: [FeedRow.Column: String]) {
        self.entity = entity
        names =
            switch entity {
            case .customer: [row[.customer]]
            case .product: [row[.product]]
            case .version: [row[.product], row[.version]]
            case .content: [row[.manifest]]
            case .entitlement: [row[.customer], row[.product]]
            case .node: [row[.node]]
            case .retailer: [row[.retailer]]
            case .person, .token, .location, .level: [row[.name]]
            }
    }

    package static func customer(_ name: CustomerName) -> FeedKey {
        FeedKey(entity: .customer, row: [.customer: name.text])
    }
    package static func product(_ name: ProductName) -> FeedKey {
        FeedKey(entity: .product, row: [.product: name.text])
    }
    package static func version(_ item: Item) -> FeedKey {
        FeedKey(entity: .version, row: [.product: item.product.text, .version: item.version.text])
    }
    package static func content(_ manifest: ContentDigest) -> FeedKey {
        FeedKey(entity: .content, row: [.manifest: manifest.description])
    }
    package static func entitlement(of customer: CustomerName, to product: ProductName) -> FeedKey {
        FeedKey(entity: .entitlement, row: [.customer: customer.text, .product: product.text])
    }

    /// Everything that an account of this customer with these items depends on.
    package static func account(of customer: CustomerName, _ items: some Sequence<Item>) -> Set<FeedKey> {
        var keys: Set<FeedKey> = [.customer(customer)]
        for item in items {
            keys.formUnion([.product(item.product), .version(item), .entitlement(of: customer, to: item.product)])
        }
        return keys
    }
}
