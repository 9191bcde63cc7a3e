package import FFSModel
import Tobj

/// What an order says about the account that is made for it, beyond its items and policy: `auth.order` answers it and
/// `stage.create` is given it, so that the account's record can name it in every event.
///
///     <item product="…" version="…" manifest="…"/>* <retailer>…</retailer>? <level>0</level>? <metered/>?
package struct AccountTerms: Sendable, Hashable {
    /// The SHA-256 of each item's manifest, as far as they are known: the content that was ordered.
    package let manifests: [Item: ContentDigest]
    /// Who sold it; nil for the operator.
    package let retailer: RetailerName?
    /// Protection level, 0 to 4.
    package let level: Int
    /// Whether a download is complete only when its record is on disk.
    package let isMetered: Bool

    package init(
        manifests: [Item: ContentDigest] = [:], retailer: RetailerName? = nil, level: Int = 0, isMetered: Bool = false
    ) {
        self.manifests = manifests
        self.retailer = retailer
        self.level = level
        self.isMetered = isMetered
    }

    /// Names of the fields, `item` aside.
    static let fields: Set<String> = ["retailer", "level", "metered"]

    init(fields: Fields) throws(Failure) {
        manifests = try fields.manifests()
        retailer = try fields.optionalName("retailer")
        level = try fields.optionalInteger("level", in: 0...4) ?? 0
        isMetered = fields.flag("metered")
    }

    /// All but the items.
    var body: [Element] {
        var body: [Element] = []
        if let retailer { body.append(.field("retailer", retailer)) }
        if level > 0 { body.append(.field("level", level)) }
        return isMetered ? body + [Element("metered")] : body
    }
}
