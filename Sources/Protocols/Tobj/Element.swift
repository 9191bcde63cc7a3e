/// One tagged object: a name, attributes, and either text or child elements.
///
/// Text is bytes; what crosses the wire is 7-bit (ffs-commlink(7)), so `text` may hold any bytes at all
/// and the codec escapes them.
package struct Element: Sendable, Hashable {
    /// `name="value"`; the value's bytes without their references.
    package struct Attribute: Sendable, Hashable {
        package let name: String
        package let value: [UInt8]

        package init(_ name: String, _ value: some Collection<UInt8>) {
            self.name = name
            self.value = Array(value)
        }
    }

    package let name: String
    package private(set) var attributes: [Attribute]
    /// Without references and without base64; empty where there are children.
    package private(set) var text: [UInt8]
    package private(set) var children: [Element]

    /// The text, which the element then has no more: for who must overwrite it.
    package mutating func takeText() -> [UInt8] {
        defer { text = [] }
        return text
    }

    /// An element that holds text (or nothing).
    package init(_ name: String, _ attributes: [Attribute] = [], text: some Collection<UInt8> = [UInt8]()) {
        self.name = name
        self.attributes = attributes
        self.text = Array(text)
        children = []
    }

    package init(_ name: String, _ attributes: [Attribute] = [], text: String) {
        self.init(name, attributes, text: text.utf8)
    }

    /// An element that holds elements.
    package init(_ name: String, _ attributes: [Attribute] = [], children: [Element]) {
        self.name = name
        self.attributes = attributes
        text = []
        self.children = children
    }

    /// Used by the parser, which has already checked that text and children exclude each other.
    init(name: String, attributes: [Attribute], text: [UInt8], children: [Element]) {
        self.name = name
        self.attributes = attributes
        self.text = text
        self.children = children
    }

    /// The value of attribute `name`, nil if it is absent.
    package func attribute(_ name: String) -> [UInt8]? { attributes.first { $0.name == name }?.value }

    /// The first child called `name`.
    package func child(_ name: String) -> Element? { children.first { $0.name == name } }

    /// All children called `name`, in order.
    package func children(_ name: String) -> [Element] { children.filter { $0.name == name } }

    /// The text for people and ASCII grammars; invalid UTF-8 becomes U+FFFD.
    package var string: String { String(decoding: text, as: UTF8.self) }
}

/// Bounds on what the parser accepts (ffs-commlink(7)).
package struct TobjLimits: Sendable {
    package var depth = 16
    package var elements = 4_096
    package var attributesPerElement = 64
    /// Bytes of the whole document.
    package var size = 1 << 20

    package init() {}

    /// For files that FFS wrote itself, which may list more than a wire document.
    package static var storedFile: TobjLimits {
        var limits = TobjLimits()
        limits.elements = 1 << 20
        limits.size = 64 << 20
        return limits
    }
}

/// Why bytes are not a Tobj document.
package struct TobjError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Reason: String, Sendable {
        case empty = "the document is empty"
        case tooLarge = "the document is over the size limit"
        case tooDeep = "elements nest deeper than 16"
        case tooManyElements = "the document has more elements than the limit"
        case tooManyAttributes = "an element has more than 64 attributes"
        case notASCII = "a byte is outside printable ASCII"
        case badName = "a name is not [a-z][a-z0-9.-]*"
        case badTag = "a tag is malformed"
        case badAttribute = "an attribute is not name=\"value\""
        case duplicateAttribute = "an attribute appears twice in one element"
        case badReference = "a character reference is not &amp; &lt; &gt; &quot; or &#xH;"
        case badBase64 = "enc=\"base64\" holds something other than canonical base64"
        case mixedContent = "an element holds both text and elements"
        case mismatchedEnd = "an end tag does not match its start tag"
        case unexpectedEnd = "the document ends inside an element"
        case trailingBytes = "bytes follow the document"
        case markup = "comments, declarations and processing instructions are not Tobj"
    }

    package let reason: Reason
    /// Bytes from the document's start.
    package let offset: Int

    package var description: String { "\(reason.rawValue), at byte \(offset)" }
}
