package import FFSModel

/// Who is on the other end of a connection.
package struct Source: Sendable, Hashable {
    /// The address in text, IPv4-mapped IPv6 as IPv4: for logs, lock-out and orders.
    package let address: String
    /// What is counted as one source: an IPv4 address, or the /64 of an IPv6 address.
    package let network: String
    package let isLoopback: Bool

    package init(address: String, network: String, isLoopback: Bool) {
        self.address = address
        self.network = network
        self.isLoopback = isLoopback
    }
}

/// One request as handlers see it: bounded, whole, and free of the server's types.
package struct WebRequest: Sendable {
    package let method: Method
    /// The request target up to `?`, as sent. No route needs percent-decoding, so none is done.
    package let path: String
    package let query: Form
    /// By lower-case name; repeated fields are joined as RFC 9110 §5.3 says, cookies with `; ` (RFC 6265 §5.4).
    package let headers: [String: String]
    package var body: [UInt8]
    package let source: Source
    /// Whether it came over TLS.
    package let isSecure: Bool

    /// The methods that some route takes, and all others.
    package enum Method: String, Sendable {
        case get = "GET"
        case head = "HEAD"
        case post = "POST"
        case delete = "DELETE"
        case other = "other"
    }

    package init(
        method: String, target: String, headers: [String: String], body: [UInt8] = [], source: Source, isSecure: Bool
    ) {
        self.method = Method(rawValue: method) ?? .other
        let parts = target.parts("?", most: 2)
        path = parts[0]
        query = parts.count > 1 ? Form(urlEncoded: Array(parts[1].utf8)) ?? Form() : Form()
        self.headers = headers
        self.body = body
        self.source = source
        self.isSecure = isSecure
    }

    /// The cookie called `name`; the first when there are several, as browsers send the most specific first.
    package func cookie(_ name: String) -> String? {
        for pair in (headers["cookie"] ?? "").parts(";") {
            let parts = pair.parts("=", most: 2)
            guard parts.count == 2, parts[0].utf8.drop(while: { $0 == 0x20 }).elementsEqual(name.utf8) else { continue }
            return parts[1]
        }
        return nil
    }

    /// The body's media type in lower case, without parameters.
    package var mediaType: String { (headers["content-type"] ?? "").parts(";", most: 2)[0].token }

    /// The fields of a posted form; throws `bad-request` when the body is not one.
    package func form() throws(Failure) -> Form {
        guard mediaType == "application/x-www-form-urlencoded", let form = Form(urlEncoded: body) else {
            throw Failure(.badRequest, "the body must be a form (application/x-www-form-urlencoded, UTF-8)")
        }
        return form
    }
}

/// `application/x-www-form-urlencoded` fields in order; the WHATWG URL standard §5.1, restricted to valid UTF-8.
package struct Form: Sendable, Hashable {
    package private(set) var fields: [Field] = []

    package struct Field: Sendable, Hashable {
        package let name: String
        package let value: String
    }

    /// More fields than any page of ours has are an attack on the parser, not a form.
    private static let mostFields = 2_048

    package init() {}

    /// nil when a name or value is not UTF-8, a `%` stands before something that is not hexadecimal,
    /// or there are too many fields.
    package init?(urlEncoded bytes: [UInt8]) {
        for pair in bytes.split(separator: UInt8(ascii: "&")) {
            guard fields.count < Self.mostFields else { return nil }
            let equals = pair.firstIndex(of: UInt8(ascii: "="))
            guard let name = Self.decode(pair[..<(equals ?? pair.endIndex)]),
                let value = Self.decode(equals.map { pair[($0 + 1)...] } ?? [])
            else { return nil }
            fields.append(Field(name: name, value: value))
        }
    }

    /// The first field called `name`.
    package subscript(_ name: String) -> String? { fields.first { $0.name.isSame(as: name) }?.value }

    /// All fields called `name`, in order.
    package func all(_ name: String) -> [String] { fields.filter { $0.name.isSame(as: name) }.map(\.value) }

    private static func decode(_ bytes: ArraySlice<UInt8>) -> String? {
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count)
        var rest = bytes
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+"): out.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else {
                    return nil
                }
                out.append(high << 4 | low)
            default: out.append(byte)
            }
        }
        return String(validating: out, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}
