import Crypto
package import FFSModel
import Tobj

/// `accounts/<account>/record`: what makes a directory an account. Formats 1 and 2, docs/formats.md.
///
///     <account-record v="2"><account>k5zq…</account><customer>acme</customer>
///     <item product="…" version="…" manifest="…"/><created>…</created><expires>…</expires><policy>finish</policy>
///     <order>17</order><request>7f3a…</request><trace>51c0…</trace><retailer>…</retailer>?<level>0</level><metered/>?
///     <password-sha256>9c56…</password-sha256><files>3</files><size unit="byte">812</size></account-record>
package struct AccountRecord: Sendable, Hashable {
    package let account: AccountID
    package let customer: CustomerName
    package let items: [Item]
    package let created: Timestamp
    package private(set) var expires: Timestamp
    package private(set) var policy: ExpiryPolicy
    /// 0 when there is none.
    package let order: Int
    /// The request that made the account; a repeat of it gets the same account.
    package let request: RequestID
    /// Where the account comes from, so that every event about it can say so; nil in a record of format 1, which stays one.
    package let origin: Origin?
    /// SHA-256 over the password's bytes. The password has 128 random bits, so no slow hash is needed.
    package let passwordDigest: ContentDigest
    package let fileCount: Int
    package let bytes: Int
    /// When the expiry was last moved; nil where it never was, and in format 1.
    package private(set) var extendedAt: Timestamp?
    /// When the account was withdrawn; nil while it lives. Once set it is never cleared.
    package private(set) var withdrawn: Timestamp?

    /// What format 2 added.
    package struct Origin: Sendable, Hashable {
        /// The action that made the account, across hosts.
        package let trace: TraceID
        /// The SHA-256 of each item's manifest: what its files were linked from.
        package let manifests: [Item: ContentDigest]
        /// Who sold it; nil for the operator.
        package let retailer: RetailerName?
        /// Protection level, 0 to 4.
        package let level: Int
        /// Whether a download is complete only when its record is on disk: it is charged for.
        package let isMetered: Bool

        package static let levels = 0...4

        package init(
            trace: TraceID, manifests: [Item: ContentDigest], retailer: RetailerName? = nil, level: Int = 0,
            isMetered: Bool = false
        ) {
            self.trace = trace
            self.manifests = manifests
            self.retailer = retailer
            self.level = level
            self.isMetered = isMetered
        }
    }

    package init(
        account: AccountID, customer: CustomerName, items: [Item], created: Timestamp, expires: Timestamp,
        policy: ExpiryPolicy, order: Int, request: RequestID, origin: Origin? = nil, passwordDigest: ContentDigest,
        fileCount: Int, bytes: Int, withdrawn: Timestamp? = nil
    ) {
        self.account = account
        self.customer = customer
        self.items = items
        self.created = created
        self.expires = expires
        self.policy = policy
        self.order = order
        self.request = request
        self.origin = origin
        self.passwordDigest = passwordDigest
        self.fileCount = fileCount
        self.bytes = bytes
        self.withdrawn = withdrawn
    }

    /// The same account with another expiry, given to it at `time`.
    package func extended(to expires: Timestamp, at time: Timestamp) -> AccountRecord {
        var copy = self
        copy.expires = expires
        if origin != nil { copy.extendedAt = time }
        return copy
    }

    /// The same account, withdrawn at `time` under `policy`.
    package func withdrawn(at time: Timestamp, policy: ExpiryPolicy) -> AccountRecord {
        var copy = self
        copy.withdrawn = time
        copy.policy = policy
        return copy
    }

    /// Whether a new login or a new request may use the account at `time`.
    package func isLive(at time: Timestamp) -> Bool { withdrawn == nil && time < expires }

    /// Whether `password` opens this account at `time`. Takes the same time for every wrong password.
    package func admits(password: [UInt8], at time: Timestamp) -> Bool {
        let given = ContentDigest.sha256(of: password).words
        let stored = passwordDigest.words
        let difference =
            (given.0 ^ stored.0) | (given.1 ^ stored.1) | (given.2 ^ stored.2) | (given.3 ^ stored.3)
        return difference == 0 && isLive(at: time)
    }
}

extension ContentDigest {
    /// SHA-256 of `bytes`.
    package static func sha256(of bytes: [UInt8]) -> ContentDigest {
        // A SHA-256 always has the 32 bytes that the initialiser asks for.
        ContentDigest(bytes: SHA256.hash(data: bytes))!
    }
}

extension AccountRecord {
    /// A record is a few hundred bytes; more than this is not one.
    package static let sizeLimit = 1 << 20

    private static let fields1: Set<String> = [
        "account", "customer", "item", "created", "expires", "policy", "order", "request", "password-sha256",
        "files", "size", "withdrawn",
    ]
    private static let fields2 = fields1.union(["trace", "retailer", "level", "metered", "extended"])

    /// Throws `corrupt`, with the field at fault, for anything that ``serialized()`` would not have written.
    package init(bytes: [UInt8]) throws(Failure) {
        do {
            let root = try parseTobj(bytes, limits: .storedFile)
            let format = root.name == "account-record" ? root.attribute("v").map { Array($0) } : nil
            let fields = Fields(root.children, of: "account record")
            switch format {
            case Array("1".utf8): try self.init(fields, Self.fields1, origin: nil)
            case Array("2".utf8): try self.init(fields, Self.fields2, origin: try Origin(fields))
            default: throw Failure(.corrupt, "not an account record of format 1 or 2")
            }
        } catch let error as TobjError {
            throw Failure(.corrupt, "not an account record: \(error)")
        } catch let error as Failure {
            throw Failure(.corrupt, error.text)
        } catch { throw Failure(.corrupt, "not an account record: \(error)") }
    }

    private init(_ fields: Fields, _ names: Set<String>, origin: Origin?) throws(Failure) {
        try fields.allowOnly(names, manifests: origin != nil)
        self.origin = origin
        account = try fields.name("account")
        customer = try fields.name("customer")
        items = try fields.items()
        created = try fields.timestamp("created")
        expires = try fields.timestamp("expires")
        policy = try fields.value("policy", ExpiryPolicy.init)
        order = try fields.integer("order", in: 0...Int.max)
        request = try fields.value("request") { RequestID($0) }
        passwordDigest = try fields.value("password-sha256") { ContentDigest($0) }
        fileCount = try fields.integer("files", in: 0...Int.max)
        self.bytes = try fields.integer("size", in: 0...Int.max)
        extendedAt = fields.optional("extended") == nil ? nil : try fields.timestamp("extended")
        withdrawn = fields.optional("withdrawn") == nil ? nil : try fields.timestamp("withdrawn")
    }

    /// The file's bytes: one line and its LF.
    package func serialized() -> [UInt8] {
        var body: [Element] = [.field("account", account), .field("customer", customer)]
        body += items.map { $0.element(manifest: origin?.manifests[$0]) }
        body += [
            .field("created", created), .field("expires", expires), .field("policy", policy),
            .field("order", order), .field("request", request),
        ]
        if let origin { body += origin.body }
        body += [
            .field("password-sha256", passwordDigest), .field("files", fileCount), .field("size", bytes, unit: "byte"),
        ]
        if let extendedAt { body.append(.field("extended", extendedAt)) }
        if let withdrawn { body.append(.field("withdrawn", withdrawn)) }
        let root = Element("account-record", [.init("v", (origin == nil ? "1" : "2").utf8)], children: body)
        return root.serialized() + [UInt8(ascii: "\n")]
    }
}

extension AccountRecord.Origin {
    fileprivate init(_ fields: Fields) throws(Failure) {
        trace = try fields.value("trace") { TraceID($0) }
        manifests = try fields.manifests()
        guard try Set(fields.items()).isSubset(of: manifests.keys) else {
            throw Failure(.badRequest, "an <item> lacks its manifest")
        }
        retailer = fields.optional("retailer") == nil ? nil : try fields.name("retailer")
        level = try fields.integer("level", in: Self.levels)
        isMetered = fields.optional("metered") != nil
    }

    fileprivate var body: [Element] {
        var body: [Element] = [.field("trace", trace)]
        if let retailer { body.append(.field("retailer", retailer)) }
        body.append(.field("level", level))
        return isMetered ? body + [Element("metered")] : body
    }
}
