/// A directory or file as the client names it: absolute, `/` being the account's root.
///
/// Normalised lexically: an account's tree holds no symbolic links (and openat2(2) refuses them), so `a/..` is always
/// the root. Bytes, which need not be UTF-8.
package struct VirtualPath: Sendable, Hashable {
    /// `/`, or `/a/b` without a slash at the end.
    package let bytes: [UInt8]

    package static let root = VirtualPath(normalized: [UInt8(ascii: "/")])

    private init(normalized bytes: [UInt8]) { self.bytes = bytes }

    /// Longest result; Linux opens no longer path.
    package static let longest = 4_095

    /// `argument` seen from this directory; nil when the result is too long. `..` at the root is the root.
    package func resolving(_ argument: [UInt8]) -> VirtualPath? {
        let slash = UInt8(ascii: "/")
        var out = argument.first == slash || bytes.count == 1 ? [] : bytes
        var i = 0
        while i < argument.count {
            if argument[i] == slash {
                i += 1
                continue
            }
            var end = i
            while end < argument.count, argument[end] != slash { end += 1 }
            let component = argument[i..<end]
            i = end
            if component.elementsEqual(".".utf8) { continue }
            if component.elementsEqual("..".utf8) {
                while let last = out.popLast(), last != slash {}
                continue
            }
            out.append(slash)
            out += component
        }
        guard out.count <= Self.longest else { return nil }
        return VirtualPath(normalized: out.isEmpty ? [slash] : out)
    }

    package var parent: VirtualPath {
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")), slash > 0 else { return .root }
        return VirtualPath(normalized: Array(bytes[..<slash]))
    }

    /// The last component; empty for the root.
    package var name: ArraySlice<UInt8> {
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return [] }
        return bytes[(slash + 1)...]
    }

    /// Below the account's root, without the leading slash; `.` for the root itself: what openat2(2) gets.
    package var relative: [UInt8] { bytes.count == 1 ? [UInt8(ascii: ".")] : Array(bytes.dropFirst()) }

    /// With each quote doubled, for 257 (RFC 959 appendix II).
    package var quoted: [UInt8] {
        let quote = UInt8(ascii: "\"")
        return [quote] + bytes.flatMap { $0 == quote ? [quote, quote] : [$0] } + [quote]
    }
}
