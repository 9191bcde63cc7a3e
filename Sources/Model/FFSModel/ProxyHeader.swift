/// The header of HAProxy's PROXY protocol, versions 1 and 2: a balancer's word on whose connection it forwards.
package enum ProxyHeader: Sendable, Hashable {
    /// More bytes are needed.
    case incomplete
    case malformed
    /// `length` bytes belong to the header. `client` is nil for the balancer's own health checks (LOCAL, UNKNOWN).
    case header(length: Int, client: Endpoint?)

    /// Longest header that is accepted; version 2 may carry extensions.
    package static let longest = 536
    private static let signature: [UInt8] = [
        0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
    ]

    package init(_ bytes: UnsafeRawBufferPointer) {
        let bytes = Array(bytes)
        let text = Array("PROXY ".utf8)
        if bytes.starts(with: Self.signature) || Self.signature.starts(with: bytes) {
            self = Self.binary(bytes)
        } else if bytes.starts(with: text) || text.starts(with: bytes) {
            self = Self.text(bytes)
        } else {
            self = .malformed
        }
    }

    /// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 21`, CR LF; 107 bytes at most.
    private static func text(_ bytes: [UInt8]) -> ProxyHeader {
        guard let end = bytes.prefix(107).firstIndex(of: 0x0A) else {
            return bytes.count < 107 ? .incomplete : .malformed
        }
        guard end > 0, bytes[end - 1] == 0x0D else { return .malformed }
        let words = bytes[..<(end - 1)].split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard words.count >= 2 else { return .malformed }
        if words[1].elementsEqual("UNKNOWN".utf8) { return .header(length: end + 1, client: nil) }
        guard words.count == 6, let address = IPAddress(text: words[2]), let port = decimal(words[4], atMost: 65_535),
            words[1].elementsEqual(words[2].contains(UInt8(ascii: ":")) ? "TCP6".utf8 : "TCP4".utf8)
        else { return .malformed }
        return .header(length: end + 1, client: Endpoint(address, UInt16(port)))
    }

    /// Twelve bytes of signature, version and command, family, length, addresses.
    private static func binary(_ bytes: [UInt8]) -> ProxyHeader {
        guard bytes.count >= 16 else { return .incomplete }
        let length = 16 + (Int(bytes[14]) << 8 | Int(bytes[15]))
        guard bytes[12] >> 4 == 2, bytes[12] & 15 <= 1, length <= longest else { return .malformed }
        guard bytes.count >= length else { return .incomplete }
        // LOCAL: the balancer speaks for itself.
        guard bytes[12] & 15 == 1 else { return .header(length: length, client: nil) }
        switch bytes[13] {
        case 0x11 where length >= 28: return header(bytes, length, address: 16..<20, port: 24)
        case 0x21 where length >= 52: return header(bytes, length, address: 16..<32, port: 48)
        default: return .malformed
        }
    }

    private static func header(_ bytes: [UInt8], _ length: Int, address: Range<Int>, port: Int) -> ProxyHeader {
        guard let address = IPAddress(bytes: bytes[address]) else { return .malformed }
        return .header(length: length, client: Endpoint(address, UInt16(bytes[port]) << 8 | UInt16(bytes[port + 1])))
    }
}
