package import FFSModel

/// The argument of HOST (RFC 7151 §3): a domain, an IPv4 address, or an IPv6 address in brackets.
package enum HostName: Sendable, Hashable {
    /// Lower case, without a dot at its end.
    case domain([UInt8])
    case address(IPAddress)

    /// nil for what is none of them.
    package init?(_ text: ArraySlice<UInt8>) {
        if text.first == UInt8(ascii: "["), text.last == UInt8(ascii: "]") {
            guard let address = IPAddress(text: text.dropFirst().dropLast()), text.contains(UInt8(ascii: ":")) else {
                return nil
            }
            self = .address(address)
        } else if text.allSatisfy({ Self.isDigit($0) || $0 == UInt8(ascii: ".") }) {
            guard let address = IPAddress(text: text) else { return nil }
            self = .address(address)
        } else {
            guard let domain = Self.domain(text) else { return nil }
            self = .domain(domain)
        }
    }

    /// Labels of letters, digits and inner hyphens (RFC 5321 §4.1.2), of at most 63 bytes, 253 together (RFC 1035).
    package static func domain(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        let whole = text.last == UInt8(ascii: ".") ? text.dropLast() : text
        guard whole.count <= 253 else { return nil }
        for label in whole.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
            guard (1...63).contains(label.count), label.first != UInt8(ascii: "-"), label.last != UInt8(ascii: "-"),
                label.allSatisfy({ isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "-") })
            else { return nil }
        }
        return whole.map { isLetter($0) ? $0 | 0x20 : $0 }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
}
