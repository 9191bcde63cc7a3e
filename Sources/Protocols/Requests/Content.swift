package import FFSModel
package import Tobj

/// `content.register`: a product's version is in the repository under this manifest; customers may be entitled to it
/// from now on. Registering the same manifest again changes nothing, so a publication may be repeated.
///
///     <product>ignite-ux</product> <version>C.7.24</version> <title>Ignite-UX</title>? <summary>…</summary>?
///     <manifest>64 hexadecimal digits</manifest> <size unit="byte">4711</size> <files>3</files> <replace/>?
package struct ContentRegister: RequestMessage {
    package static var type: RequestType { .contentRegister }
    package let product: ProductName
    package let version: VersionName
    /// For people; nil keeps the product's title, or takes its name when it is new.
    package let title: String?
    /// For people; nil keeps the product's summary.
    package let summary: String?
    /// SHA-256 of the manifest, which names the content.
    package let manifest: ContentDigest
    /// Bytes and files of the whole version.
    package let size: Int
    package let files: Int
    /// Whether the version may take the place of another manifest registered under the same name;
    /// without it that is refused as `exists`.
    package let replace: Bool

    /// Bytes of UTF-8 in a title and in a summary.
    package static let titleBytes = 1...200
    package static let summaryBytes = 0...2_000

    package struct Reply: ReplyMessage {
        package enum Outcome: String, Sendable, CaseIterable {
            case registered
            /// This very manifest was registered already.
            case unchanged
            /// Another manifest stood there.
            case replaced
            /// The same version had been withdrawn.
            case restored
        }
        package let outcome: Outcome
        package let released: Timestamp

        package init(outcome: Outcome, released: Timestamp) {
            self.outcome = outcome
            self.released = released
        }

        package init(fields: Fields) throws(Failure) {
            outcome = try fields.value("outcome", Outcome.init)
            released = try fields.timestamp("released")
        }

        package var body: [Element] { [.field("outcome", outcome.rawValue), .field("released", released)] }
    }

    package init(
        product: ProductName, version: VersionName, title: String? = nil, summary: String? = nil,
        manifest: ContentDigest, size: Int, files: Int, replace: Bool = false
    ) {
        self.product = product
        self.version = version
        self.title = title
        self.summary = summary
        self.manifest = manifest
        self.size = size
        self.files = files
        self.replace = replace
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["product", "version", "title", "summary", "manifest", "size", "files", "replace"])
        product = try fields.name("product")
        version = try fields.name("version")
        title = try fields.optionalLine("title", bytes: Self.titleBytes)
        summary = try fields.optionalLine("summary", bytes: Self.summaryBytes)
        manifest = try fields.value("manifest") { ContentDigest($0) }
        size = try fields.integer("size", in: 0...Int.max)
        files = try fields.integer("files", in: 0...Int.max)
        replace = fields.flag("replace")
    }

    package var body: [Element] {
        var body: [Element] = [.field("product", product), .field("version", version)]
        if let title { body.append(.field("title", title)) }
        if let summary { body.append(.field("summary", summary)) }
        body += [.field("manifest", manifest), .field("size", size, unit: "byte"), .field("files", files)]
        if replace { body.append(Element("replace")) }
        return body
    }
}

/// `content.withdraw`: nobody may order this version, or without a version any of the product's, from now on.
/// Orders stay on record; accounts that hold it end under their policies on hosts that follow the change feed.
package struct ContentWithdraw: RequestMessage {
    package static var type: RequestType { .contentWithdraw }
    package let product: ProductName
    package let version: VersionName?

    package struct Reply: ReplyMessage {
        /// What was withdrawn now; not what had been before.
        package let withdrawn: [VersionName]

        package init(withdrawn: [VersionName]) { self.withdrawn = withdrawn }

        package init(fields: Fields) throws(Failure) {
            withdrawn = try fields.all("version").map { element throws(Failure) in
                try Fields([element], of: fields.context).name("version")
            }
        }

        package var body: [Element] { withdrawn.map { .field("version", $0) } }
    }

    package init(product: ProductName, version: VersionName? = nil) {
        self.product = product
        self.version = version
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["product", "version"])
        product = try fields.name("product")
        version = try fields.optionalName("version")
    }

    package var body: [Element] {
        [.field("product", product)] + (version.map { [.field("version", $0)] } ?? [])
    }
}
