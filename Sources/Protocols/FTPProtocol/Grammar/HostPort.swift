package import FFSModel

/// An endpoint's forms in PORT, PASV, EPRT and EPSV.
extension Endpoint {
    /// `h1,h2,h3,h4,p1,p2` (RFC 959 §5.3.2), the argument of PORT.
    package init?(hostPort text: ArraySlice<UInt8>) {
        let parts = text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        guard parts.count == 6 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            guard part.count <= 3, let value = decimal(part, atMost: 255) else { return nil }
            bytes.append(UInt8(value))
        }
        guard let address = IPAddress(bytes: bytes[0..<4]) else { return nil }
        self.init(address, UInt16(bytes[4]) << 8 | UInt16(bytes[5]))
    }

    /// Why an EPRT argument is refused.
    package enum ExtendedError: Error, Sendable, Hashable {
        /// 501.
        case syntax
        /// 522: a network protocol other than 1 and 2.
        case protocolNumber
    }

    /// `|1|132.235.1.2|6275|` (RFC 2428 §2): any printable delimiter. The address must be of the family named.
    package init(extended text: ArraySlice<UInt8>) throws(ExtendedError) {
        guard let delimiter = text.first, (33...126).contains(delimiter), text.last == delimiter else { throw .syntax }
        let parts = text.split(separator: delimiter, omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0].isEmpty, parts[4].isEmpty else { throw .syntax }
        guard let number = decimal(parts[1], atMost: 65_535) else { throw .syntax }
        guard let family = IPAddress.Family(rawValue: Int(number)) else { throw .protocolNumber }
        let hasColon = parts[2].contains(UInt8(ascii: ":"))
        guard let address = IPAddress(text: parts[2]), let port = decimal(parts[3], atMost: 65_535),
            hasColon == (family == .v6)
        else { throw .syntax }
        self.init(address, UInt16(port))
    }

    /// `227 Entering Passive Mode (h1,h2,h3,h4,p1,p2)`: address and port of the data listener, IPv4 only.
    package func passiveReply() -> Reply {
        let numbers = address.bytes.map(String.init) + ["\(port >> 8)", "\(port & 255)"]
        return Reply(227, "Entering Passive Mode (\(numbers.joined(separator: ","))).")
    }

    /// `229 Entering Extended Passive Mode (|||port|)`.
    package static func extendedPassiveReply(port: UInt16) -> Reply {
        Reply(229, "Entering Extended Passive Mode (|||\(port)|)")
    }
}
