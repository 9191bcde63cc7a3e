import FFSModel
import NIOCore

extension Source {
    /// From a connection's far end. What is not IP (nothing of ours listens there) counts as one remote source.
    init(_ address: SocketAddress?) {
        let bytes = address?.octets ?? []
        switch bytes.count {
        case 4: self.init(octets: bytes)
        // IPv4 clients of a socket that takes both families: RFC 4291 §2.5.5.2.
        case 16 where bytes.starts(with: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]):
            self.init(octets: Array(bytes.suffix(4)))
        case 16:
            self.init(
                address: address?.ipAddress ?? "-", network: Hex.string(bytes.prefix(8)) + "/64",
                isLoopback: bytes.dropLast().allSatisfy { $0 == 0 } && bytes.last == 1)
        default: self.init(address: "-", network: "-", isLoopback: false)
        }
    }

    private init(octets: [UInt8]) {
        let text = octets.map(String.init).joined(separator: ".")
        self.init(address: text, network: text, isLoopback: octets.first == 127)
    }
}

extension NIOCore.SocketAddress {
    /// The address in network order: 4 or 16 bytes; none for what is not IP. Where it stands in the structures:
    /// ip(7), ipv6(7).
    var octets: [UInt8] {
        withSockAddr { pointer, size in
            let bytes = UnsafeRawBufferPointer(start: pointer, count: size)
            return switch self {
            case .v4: Array(bytes[4..<8])
            case .v6: Array(bytes[8..<24])
            default: []
            }
        }
    }
}
