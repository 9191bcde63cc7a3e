internal import FFSModel

/// Parses one document: optional white space, one element, optional white space.
/// Linear in its input; recursion is bounded by `limits.depth`.
package func parseTobj(_ bytes: [UInt8], limits: TobjLimits = TobjLimits()) throws(TobjError) -> Element {
    guard bytes.count <= limits.size else { throw TobjError(reason: .tooLarge, offset: limits.size) }
    var parser = Parser(bytes: bytes, limits: limits)
    return try parser.document()
}

private let lessThan = UInt8(ascii: "<")
private let greaterThan = UInt8(ascii: ">")
private let slash = UInt8(ascii: "/")
private let quote = UInt8(ascii: "\"")
private let ampersand = UInt8(ascii: "&")
private let equals = UInt8(ascii: "=")

private func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }

private struct Parser {
    let bytes: [UInt8]
    let limits: TobjLimits
    var position = 0
    var elements = 0

    init(bytes: [UInt8], limits: TobjLimits) {
        self.bytes = bytes
        self.limits = limits
    }

    func failure(_ reason: TobjError.Reason, at offset: Int? = nil) -> TobjError {
        TobjError(reason: reason, offset: offset ?? position)
    }

    mutating func document() throws(TobjError) -> Element {
        skipSpace()
        guard position < bytes.count else { throw failure(.empty) }
        guard bytes[position] == lessThan else { throw failure(.badTag) }
        let root = try element(depth: 1)
        skipSpace()
        guard position == bytes.count else { throw failure(.trailingBytes) }
        return root
    }

    mutating func skipSpace() {
        while position < bytes.count, isSpace(bytes[position]) { position += 1 }
    }

    /// The next byte, which must exist.
    func peek() throws(TobjError) -> UInt8 {
        guard position < bytes.count else { throw failure(.unexpectedEnd) }
        return bytes[position]
    }

    mutating func expect(_ byte: UInt8, _ reason: TobjError.Reason) throws(TobjError) {
        guard try peek() == byte else { throw failure(reason) }
        position += 1
    }

    /// `[a-z][a-z0-9.-]*`
    mutating func name() throws(TobjError) -> String {
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case 0x61...0x7A: break
            case 0x30...0x39, 0x2D, 0x2E: if position == start { throw failure(.badName) }
            default:
                guard position > start else { throw failure(.badName) }
                return String(decoding: bytes[start..<position], as: UTF8.self)
            }
            position += 1
        }
        throw failure(.unexpectedEnd)
    }

    /// One element, `position` at its `<`.
    mutating func element(depth: Int) throws(TobjError) -> Element {
        guard depth <= limits.depth else { throw failure(.tooDeep) }
        elements += 1
        guard elements <= limits.elements else { throw failure(.tooManyElements) }
        position += 1
        if case let next = try peek(), next == UInt8(ascii: "!") || next == UInt8(ascii: "?") { throw failure(.markup) }
        let name = try name()
        let attributes = try attributes()
        if try peek() == slash {
            position += 1
            try expect(greaterThan, .badTag)
            return Element(name: name, attributes: attributes, text: [], children: [])
        }
        try expect(greaterThan, .badTag)
        return try content(of: name, attributes: attributes, depth: depth)
    }

    mutating func attributes() throws(TobjError) -> [Element.Attribute] {
        var found: [Element.Attribute] = []
        while true {
            let before = position
            skipSpace()
            let next = try peek()
            if next == greaterThan || next == slash { return found }
            guard position > before else { throw failure(.badAttribute) }
            guard found.count < limits.attributesPerElement else { throw failure(.tooManyAttributes) }
            let start = position
            let name = try name()
            try expect(equals, .badAttribute)
            try expect(quote, .badAttribute)
            var value: [UInt8] = []
            while case let byte = try peek(), byte != quote {
                guard byte != lessThan, byte != greaterThan else { throw failure(.badAttribute) }
                guard (0x20...0x7E).contains(byte) else { throw failure(.notASCII) }
                try character(into: &value)
            }
            position += 1
            guard !found.contains(where: { $0.name == name }) else { throw failure(.duplicateAttribute, at: start) }
            found.append(Element.Attribute(name, value))
        }
    }

    /// One character of text or of an attribute's value; a reference gives the UTF-8 of its code point.
    mutating func character(into out: inout [UInt8]) throws(TobjError) {
        guard bytes[position] == ampersand else {
            out.append(bytes[position])
            position += 1
            return
        }
        let start = position
        position += 1
        let limit = min(bytes.count, position + 10)
        guard let end = bytes[position..<limit].firstIndex(of: UInt8(ascii: ";")) else {
            throw failure(.badReference, at: start)
        }
        let reference = bytes[position..<end]
        position = end + 1
        if reference.elementsEqual("amp".utf8) { return out.append(ampersand) }
        if reference.elementsEqual("lt".utf8) { return out.append(lessThan) }
        if reference.elementsEqual("gt".utf8) { return out.append(greaterThan) }
        if reference.elementsEqual("quot".utf8) { return out.append(quote) }
        guard reference.starts(with: "#x".utf8), reference.count > 2, reference.count <= 8,
            let value = UInt32(String(decoding: reference.dropFirst(2), as: UTF8.self), radix: 16),
            reference.dropFirst(2).allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") })
        else { throw failure(.badReference, at: start) }
        guard let scalar = Unicode.Scalar(value) else { throw failure(.badReference, at: start) }
        out.append(contentsOf: UTF8.encode(scalar)!)
    }

    mutating func content(
        of name: String, attributes: [Element.Attribute], depth: Int
    ) throws(TobjError) -> Element {
        var text: [UInt8] = []
        var children: [Element] = []
        var blankOnly = true
        while true {
            let byte = try peek()
            if byte == lessThan {
                guard position + 1 < bytes.count else { throw failure(.unexpectedEnd) }
                if bytes[position + 1] == slash { break }
                guard blankOnly else { throw failure(.mixedContent) }
                children.append(try element(depth: depth + 1))
                continue
            }
            guard (0x20...0x7E).contains(byte) || isSpace(byte) else { throw failure(.notASCII) }
            guard byte != greaterThan else { throw failure(.badTag) }
            if !isSpace(byte) {
                guard children.isEmpty else { throw failure(.mixedContent) }
                blankOnly = false
            }
            try character(into: &text)
        }
        let endTag = position
        position += 2
        guard try self.name() == name else { throw failure(.mismatchedEnd, at: endTag) }
        skipSpace()
        try expect(greaterThan, .badTag)
        if !children.isEmpty { text = [] }
        if let encoding = attributes.first(where: { $0.name == "enc" }) {
            guard encoding.value.elementsEqual("base64".utf8), let decoded = Base64.decode(text) else {
                throw failure(.badBase64, at: endTag)
            }
            let others = attributes.filter { $0.name != "enc" }
            return Element(name: name, attributes: others, text: decoded, children: children)
        }
        return Element(name: name, attributes: attributes, text: text, children: children)
    }
}
