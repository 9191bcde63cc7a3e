import FFSModel
import Glibc

/// The network a sign-in comes from, as one key: an IPv4 address, or the /64 of an IPv6 address, as whoever has
/// one address of such a network has all 2^64. What is no address (`-`, a name) stands for itself.
package struct SourceKey: Sendable, Hashable {
    let bytes: [UInt8]

    package init(_ text: String) {
        var v4 = in_addr()
        if inet_pton(AF_INET, text, &v4) == 1 {
            bytes = withUnsafeBytes(of: v4.s_addr) { Array($0) }
            return
        }
        var v6 = in6_addr()
        let withoutZone = text.prefix { $0 != "%" }
        guard inet_pton(AF_INET6, String(withoutZone), &v6) == 1 else {
            bytes = Array(text.utf8)
            return
        }
        let address = withUnsafeBytes(of: v6) { Array($0) }
        // ::ffff:a.b.c.d is that IPv4 address, seen by a socket that takes both.
        let mapped = address[..<10].allSatisfy { $0 == 0 } && address[10] == 0xFF && address[11] == 0xFF
        bytes = mapped ? Array(address[12...]) : Array(address[..<8])
    }
}
