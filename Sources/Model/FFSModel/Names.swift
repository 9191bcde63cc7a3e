/// A name that failed its grammar; the text names the rule.
package struct NameError: Error, Sendable, Hashable, CustomStringConvertible {
    package let description: String
    package init(description: String) { self.description = description }
}

/// The shared shape of customer, product and version names: 1–64 bytes of printable ASCII from a small set,
/// first byte a letter or digit. Names go into paths, logs and pages, so nothing that any of them
/// could read as syntax is a name; as all bytes are ASCII, String comparison is byte comparison.
package protocol Name: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The word used in errors, such as "customer name".
    static var noun: String { get }
    /// Whether `byte` may stand after the first.
    static func allows(_ byte: UInt8) -> Bool
    var text: String { get }
    init(validated text: String)
}

extension Name {
    package init(bytes: some Collection<UInt8>) throws(NameError) {
        guard let first = bytes.first, bytes.count <= 64 else {
            throw NameError(description: "a \(Self.noun) has 1 to 64 characters")
        }
        func text(_ bytes: UnsafeBufferPointer<UInt8>) -> String? {
            for byte in bytes { guard Self.allows(byte) else { return nil } }
            return String(decoding: bytes, as: UTF8.self)
        }
        // Bytes that lie together need no witness table asked for each.
        let whole = bytes.withContiguousStorageIfAvailable(text) ?? Array(bytes).withUnsafeBufferPointer(text)
        guard first.isASCIILetterOrDigit, let whole else {
            throw NameError(
                description:
                    "a \(Self.noun) starts with a letter or digit and holds only letters, digits and \(Self.marks)")
        }
        self.init(validated: whole)
    }

    package init(_ text: String) throws(NameError) { try self.init(bytes: Array(text.utf8)) }

    /// The punctuation that `allows` admits, for error texts.
    static var marks: String {
        (UInt8(33)..<127).filter { !$0.isASCIILetterOrDigit && allows($0) }
            .map { String(UnicodeScalar($0)) }.joined(separator: " ")
    }

    package var description: String { text }
    package static func < (a: Self, b: Self) -> Bool { a.text.utf8.lexicographicallyPrecedes(b.text.utf8) }
}

extension UInt8 {
    package var isASCIILetterOrDigit: Bool {
        switch self {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: false
        }
    }
}

/// The name a customer signs in with. Mail addresses are allowed. Case matters.
package struct CustomerName: Name {
    package let text: String
    package static var noun: String { "customer name" }
    package static func allows(_ byte: UInt8) -> Bool { byte.isASCIILetterOrDigit || "._-@+".utf8.contains(byte) }
    package init(validated text: String) { self.text = text }
}

/// A product's name, such as `ignite-ux`; also a path component in the repository and in accounts.
package struct ProductName: Name {
    package let text: String
    package static var noun: String { "product name" }
    package static func allows(_ byte: UInt8) -> Bool { byte.isASCIILetterOrDigit || "._-+".utf8.contains(byte) }
    package init(validated text: String) { self.text = text }
}

/// A version of a product, such as `C.7.24`.
package struct VersionName: Name {
    package let text: String
    package static var noun: String { "version" }
    package static func allows(_ byte: UInt8) -> Bool { byte.isASCIILetterOrDigit || "._-+~".utf8.contains(byte) }
    package init(validated text: String) { self.text = text }
}

/// A host of the installation, such as `storage-1`.
package struct NodeName: Name {
    package let text: String
    package static var noun: String { "node name" }
    package static func allows(_ byte: UInt8) -> Bool { byte.isASCIILetterOrDigit || ".-".utf8.contains(byte) }
    package init(validated text: String) { self.text = text }
}

/// Who sells contents to customers in their own name, such as `parts-direct`.
package struct RetailerName: Name {
    package let text: String
    package static var noun: String { "retailer name" }
    package static func allows(_ byte: UInt8) -> Bool { byte.isASCIILetterOrDigit || "._-".utf8.contains(byte) }
    package init(validated text: String) { self.text = text }
}

/// A staged account's identifier, which is also its login and its directory's name:
/// 16 characters of lower-case base32 (RFC 4648 §6 alphabet), 80 random bits.
package struct AccountID: Name {
    package let text: String
    package static var noun: String { "account" }
    package static func allows(_ byte: UInt8) -> Bool {
        (0x61...0x7A).contains(byte) || (0x32...0x37).contains(byte)
    }
    package init(validated text: String) { self.text = text }
}

/// One product version that someone may have, wants, or has in an account.
package struct Item: Sendable, Hashable {
    package let product: ProductName
    package let version: VersionName

    package init(product: ProductName, version: VersionName) {
        self.product = product
        self.version = version
    }

    /// The folder that holds it in an account: `<product>-<version>`.
    package var folder: String { "\(product)-\(version)" }
}
