/// A path inside a product or an account: bytes, not necessarily UTF-8, compared byte by byte.
///
/// Components are 1–255 bytes, none is `.` or `..`, none holds NUL, `/` or a control character
/// (CR, LF and ESC would let a name forge listings and logs); the whole is at most 4,095 bytes.
package struct RelativePath: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let bytes: [UInt8]

    package init(bytes: some Collection<UInt8>) throws(NameError) {
        guard !bytes.isEmpty, bytes.count <= 4095 else {
            throw NameError(description: "a path has 1 to 4,095 bytes")
        }
        for component in bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            try Self.check(component: component)
        }
        self.bytes = Array(bytes)
    }

    package init(_ text: String) throws(NameError) { try self.init(bytes: Array(text.utf8)) }

    /// Throws with the rule that `component` breaks.
    package static func check(component: some Collection<UInt8>) throws(NameError) {
        if component.isEmpty { throw NameError(description: "a path has no empty component") }
        if component.count > 255 { throw NameError(description: "a file name has at most 255 bytes") }
        if component.elementsEqual(".".utf8) || component.elementsEqual("..".utf8) {
            throw NameError(description: "a path has no '.' or '..' component")
        }
        if component.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
            throw NameError(description: "a file name has no control character")
        }
    }

    package var components: [ArraySlice<UInt8>] { bytes.split(separator: UInt8(ascii: "/")) }

    /// Printable: invalid UTF-8 shows as U+FFFD. For people, never for opening files.
    package var description: String { String(decoding: bytes, as: UTF8.self) }

    package static func < (a: Self, b: Self) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
}
