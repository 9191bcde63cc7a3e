package import FFSModel

/// Reads the fields of one request, reply or record by name, with errors that name the field.
package struct Fields: Sendable {
    /// The elements in which fields are looked up.
    package let elements: [Element]
    /// What is being read, for errors: a request type, a record's name.
    package let context: String

    package init(_ elements: [Element], of context: String) {
        self.elements = elements
        self.context = context
    }

    /// Fields that may stand more than once.
    private static let lists: Set<String> = ["item", "row"]
    /// The unit of each field that has one.
    private static let units = ["ttl": "s", "size": "byte", "bytes": "byte", "seconds": "s", "rate": "byte/s"]

    /// Refuses fields outside `names`, a second one of a name that is no list's, and attributes that a field does not have:
    /// nothing that was sent is ignored.
    ///
    /// - Parameter manifests: whether an item may name its manifest (``manifests()``).
    package func allowOnly(_ names: Set<String>, manifests: Bool = false) throws(Failure) {
        var seen: Set<String> = []
        for element in elements {
            guard names.contains(element.name) else {
                throw Failure(.badRequest, "\(context) has no field <\(element.name)>")
            }
            guard seen.insert(element.name).inserted || Self.lists.contains(element.name) else {
                throw Failure(.badRequest, "\(context): <\(element.name)> stands twice")
            }
            for attribute in element.attributes
            where !(manifests && element.name == "item" && attribute.name == "manifest") {
                try Self.check(attribute, of: element, context)
            }
        }
    }

    private static func check(
        _ attribute: Element.Attribute, of element: Element, _ context: String
    ) throws(Failure) {
        switch (element.name, attribute.name) {
        case ("item", "product"), ("item", "version"), ("after", "product"), ("after", "version"): return
        case (_, "unit"):
            guard let unit = units[element.name], attribute.value.elementsEqual(unit.utf8) else {
                throw Failure(
                    .badRequest,
                    "\(context): <\(element.name)> is "
                        + (units[element.name].map { "in the unit \"\($0)\" alone" } ?? "a value without a unit"))
            }
        default: throw Failure(.badRequest, "\(context): <\(element.name)> has no attribute \(attribute.name)")
        }
    }

    package func optional(_ name: String) -> Element? { elements.first { $0.name == name } }

    package func all(_ name: String) -> [Element] { elements.filter { $0.name == name } }

    /// The one element of that name. Throws `bad-request` when it is not there.
    package func required(_ name: String) throws(Failure) -> Element {
        var found: Element?
        for element in elements where element.name == name {
            guard found == nil else { throw Failure(.badRequest, "\(context): <\(name)> stands twice") }
            found = element
        }
        guard let found else { throw Failure(.badRequest, "\(context) needs a <\(name)> field") }
        return found
    }

    /// The text of the one element of that name; throws `bad-request` when it is not there.
    package func bytes(_ name: String) throws(Failure) -> [UInt8] { try required(name).text }

    /// UTF-8 text.
    package func text(_ name: String) throws(Failure) -> String {
        guard let text = String(validating: try required(name).text, as: UTF8.self) else {
            throw Failure(.badRequest, "\(context): <\(name)> is not UTF-8")
        }
        return text
    }

    /// UTF-8; nil when there is no such element. Throws `bad-request` for other bytes.
    package func optionalText(_ name: String) throws(Failure) -> String? {
        optional(name) == nil ? nil : try text(name)
    }

    /// Decimal digits, without sign or leading zero, in the field's own unit if one is given. Throws `bad-request` when it is
    /// missing, malformed or out of bounds.
    package func integer(_ name: String, in bounds: ClosedRange<Int>) throws(Failure) -> Int {
        let element = try required(name)
        for attribute in element.attributes { try Self.check(attribute, of: element, context) }
        guard let value = Self.decimal(element.text), bounds.contains(value) else {
            throw Failure(
                .badRequest,
                "\(context): <\(name)> must be a whole number from \(bounds.lowerBound) to \(bounds.upperBound)")
        }
        return value
    }

    static func decimal(_ digits: [UInt8]) -> Int? {
        guard let first = digits.first, first != UInt8(ascii: "0") || digits.count == 1,
            digits.allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        return Int(String(decoding: digits, as: UTF8.self))
    }

    /// Any value whose initialiser takes text and may fail.
    package func value<Value>(_ name: String, _ make: (String) -> Value?) throws(Failure) -> Value {
        guard let value = make(try text(name)) else { throw Failure(.badRequest, "\(context): <\(name)> is malformed") }
        return value
    }

    /// A customer's, product's, version's … name; throws `bad-request` with what is wrong about it.
    package func name<N: Name>(_ field: String, as type: N.Type = N.self) throws(Failure) -> N {
        let bytes = try bytes(field)
        do { return try N(bytes: bytes) } catch { throw Failure(.badRequest, "\(context): <\(field)>: \(error)") }
    }

    /// RFC 3339 in UTC, whole seconds.
    package func timestamp(_ name: String) throws(Failure) -> Timestamp { try value(name, Timestamp.init) }

    /// `<item product="…" version="…"/>` elements, at least one.
    package func items() throws(Failure) -> [Item] {
        let items = try all("item").map { element throws(Failure) in try Item(element, of: context) }
        guard !items.isEmpty else { throw Failure(.badRequest, "\(context) needs at least one <item>") }
        return items
    }

    /// What the `manifest` attributes of the items say: the SHA-256 of the version's manifest, which is its content.
    /// Items without one are not in it.
    package func manifests() throws(Failure) -> [Item: ContentDigest] {
        var manifests: [Item: ContentDigest] = [:]
        for element in all("item") {
            guard let value = element.attribute("manifest") else { continue }
            guard let digest = ContentDigest(hex: value) else {
                throw Failure(.badRequest, "\(context): <item>: its manifest is not 64 hexadecimal digits")
            }
            manifests[try Item(element, of: context)] = digest
        }
        return manifests
    }
}

extension Item {
    package init(_ element: Element, of context: String) throws(Failure) {
        do {
            self.init(
                product: try ProductName(bytes: element.attribute("product") ?? []),
                version: try VersionName(bytes: element.attribute("version") ?? []))
        } catch { throw Failure(.badRequest, "\(context): <item>: \(error)") }
    }

    package var element: Element { element(manifest: nil) }

    /// `<item product="…" version="…" manifest="…"/>`; without the last where that is not known.
    package func element(manifest: ContentDigest?) -> Element {
        var attributes: [Element.Attribute] = [
            .init("product", product.text.utf8), .init("version", version.text.utf8),
        ]
        if let manifest { attributes.append(.init("manifest", manifest.hex)) }
        return Element("item", attributes)
    }
}

extension Element {
    /// A field of a document: `<name>value</name>`.
    package static func field(_ name: String, _ value: some CustomStringConvertible) -> Element {
        Element(name, text: value.description)
    }

    /// A field with a unit: `<name unit="s">86400</name>`.
    package static func field(_ name: String, _ value: Int, unit: String) -> Element {
        Element(name, [.init("unit", unit.utf8)], text: "\(value)")
    }
}
