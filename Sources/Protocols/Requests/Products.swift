package import FFSModel
package import Tobj

/// A version of a product with the product's texts: a row of `product.list`.
package struct ProductRecord: PageRow, Hashable {
    package enum Status: String, Sendable, CaseIterable { case published, withdrawn }

    package let item: Item
    package let title: String
    package let summary: String
    package let manifest: ContentDigest
    /// Bytes and files of the whole version.
    package let size: Int
    package let files: Int
    package let released: Timestamp
    package let status: Status

    package init(
        item: Item, title: String, summary: String, manifest: ContentDigest, size: Int, files: Int,
        released: Timestamp, status: Status
    ) {
        self.item = item
        self.title = title
        self.summary = summary
        self.manifest = manifest
        self.size = size
        self.files = files
        self.released = released
        self.status = status
    }

    package init(fields: Fields) throws(Failure) {
        item = Item(product: try fields.name("product"), version: try fields.name("version"))
        title = try fields.text("title")
        summary = try fields.text("summary")
        manifest = try fields.value("manifest") { ContentDigest($0) }
        size = try fields.integer("size", in: 0...Int.max)
        files = try fields.integer("files", in: 0...Int.max)
        released = try fields.timestamp("released")
        status = try fields.value("status", Status.init)
    }

    package var body: [Element] {
        [
            .field("product", item.product), .field("version", item.version), .field("title", title),
            .field("summary", summary), .field("manifest", manifest), .field("size", size, unit: "byte"),
            .field("files", files), .field("released", released), .field("status", status.rawValue),
        ]
    }
}

/// `product.update`: sets the texts that are given. Versions come and go by `content.register` and `content.withdraw`.
package struct ProductUpdate: RequestMessage {
    package typealias Reply = Done
    package static var type: RequestType { .productUpdate }
    package let product: ProductName
    package let title: String?
    package let summary: String?

    package init(product: ProductName, title: String? = nil, summary: String? = nil) {
        self.product = product
        self.title = title
        self.summary = summary
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["product", "title", "summary"])
        product = try fields.name("product")
        title = try fields.optionalLine("title", bytes: ContentRegister.titleBytes)
        summary = try fields.optionalLine("summary", bytes: ContentRegister.summaryBytes)
    }

    package var body: [Element] {
        var body: [Element] = [.field("product", product)]
        if let title { body.append(.field("title", title)) }
        if let summary { body.append(.field("summary", summary)) }
        return body
    }
}

/// `product.list`: versions in order of product and version name, withdrawn ones too, of one product or of all.
package struct ProductList: RequestMessage {
    package typealias Reply = Page<ProductRecord>
    package static var type: RequestType { .productList }
    /// Only this one's; `not-found` when there is none.
    package let product: ProductName?
    package let after: Item?
    package let limit: Int

    package init(product: ProductName? = nil, after: Item? = nil, limit: Int = 100) {
        self.product = product
        self.after = after
        self.limit = limit
    }

    package init(fields: Fields) throws(Failure) {
        try fields.allowOnly(["product", "after", "limit"])
        product = try fields.optionalName("product")
        after = try fields.optionalItem("after")
        limit = try fields.pageLimit()
    }

    package var body: [Element] {
        var body: [Element] = []
        if let product { body.append(.field("product", product)) }
        if let after { body.append(after.element(named: "after")) }
        return body + [.field("limit", limit)]
    }
}

extension Item {
    /// `<name product="…" version="…"/>`.
    func element(named name: String) -> Element {
        Element(name, [.init("product", product.text.utf8), .init("version", version.text.utf8)])
    }
}

extension Fields {
    func optionalItem(_ name: String) throws(Failure) -> Item? {
        guard let element = optional(name) else { return nil }
        return try Item(element, of: context)
    }
}
