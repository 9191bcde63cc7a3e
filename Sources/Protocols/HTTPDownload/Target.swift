package import FFSModel

/// What a request asks for: `/a/<account>/<path>`.
package struct Target: Sendable, Hashable {
    package let account: AccountID
    /// Below the account's root.
    package let path: VirtualPath
    /// Whether the target ended in a slash: the client expects a directory.
    package let isDirectory: Bool
    /// `?format=json`
    package let wantsJSON: Bool
    /// `?link=…`: opens the account instead of login and password.
    package let link: [UInt8]?

    /// Why an address names nothing here.
    package enum Refusal: Error, Sendable, Hashable {
        /// Not a path we understand: 400.
        case malformed
        /// A path that cannot name anything here: 404.
        case notFound
    }

    /// `target`: the request target in origin form, percent-encoded as sent.
    package init(_ target: [UInt8]) throws(Refusal) {
        guard target.first == UInt8(ascii: "/"), target.count <= 16_384 else { throw .malformed }
        let question = target.firstIndex(of: UInt8(ascii: "?"))
        let encoded = target[..<(question ?? target.endIndex)]
        let query = question.map { target[($0 + 1)...] } ?? []
        let path = try Self.decode(encoded)
        let parts = path.dropFirst().split(separator: UInt8(ascii: "/"), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, parts[0].elementsEqual("a".utf8) else { throw .notFound }
        do { account = try AccountID(bytes: parts[1]) } catch { throw .notFound }
        let rest = parts.count == 3 ? Array(parts[2]) : []
        guard !rest.split(separator: UInt8(ascii: "/")).contains(where: { $0.elementsEqual("..".utf8) }),
            let resolved = VirtualPath.root.resolving(rest)
        else { throw .notFound }
        self.path = resolved
        isDirectory = path.last == UInt8(ascii: "/")
        let words = query.split(separator: UInt8(ascii: "&"))
        wantsJSON = words.contains { $0.elementsEqual("format=json".utf8) }
        link = words.first { $0.starts(with: "link=".utf8) }.map { Array($0.dropFirst("link=".utf8.count)) }
    }

    /// Percent-decoding, RFC 3986 §2.1. An encoded slash would make one name out of two, NUL and line ends have no
    /// place in a name: all are malformed.
    private static func decode(_ text: ArraySlice<UInt8>) throws(Refusal) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(text.count)
        var index = text.startIndex
        while index < text.endIndex {
            var byte = text[index]
            if byte == UInt8(ascii: "%") {
                guard index + 2 < text.endIndex,
                    let value = Hex.decode(text[(index + 1)...(index + 2)].map(lowercased))
                else { throw .malformed }
                byte = value[0]
                index += 2
                if byte == UInt8(ascii: "/") { throw .malformed }
            } else if !(0x21...0x7E).contains(byte) {
                throw .malformed
            }
            if byte == 0 || byte == 0x0A || byte == 0x0D { throw .malformed }
            out.append(byte)
            index += 1
        }
        return out
    }

    /// Percent-encodes one path component.
    package static func encode(_ component: some Sequence<UInt8>) -> String {
        percentEncoded(component, keeping: "-._~+@")
    }
}

/// `Authorization: Basic …`, RFC 7617.
package struct BasicCredentials: Sendable, Hashable {
    package let user: [UInt8]
    package let password: [UInt8]

    /// nil for another scheme or a malformed value.
    package init?(_ value: [UInt8]) {
        let scheme = Array("basic ".utf8)
        guard value.count <= 4_096, value.prefix(scheme.count).map(lowercased).elementsEqual(scheme),
            let decoded = Base64.decode(Array(trimmed(value.dropFirst(scheme.count)))),
            let colon = decoded.firstIndex(of: UInt8(ascii: ":"))
        else { return nil }
        user = Array(decoded[..<colon])
        password = Array(decoded[(colon + 1)...])
    }
}
