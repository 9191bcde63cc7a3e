import FFSModel
import NIOCore

extension Source {
    /// What is not IP (nothing of ours listens there) counts as one remote source.
    init(_ address: IPAddress?) {
        guard let address else {
            self.init(address: "-", network: "-", isLoopback: false)
            return
        }
        self.init(address: "\(address)", network: "\(address.source)", isLoopback: address.isLoopback)
    }
}

extension IPAddress {
    /// A connection's far end; nil for what is not IP.
    init?(_ address: NIOCore.SocketAddress?) { self.init(bytes: address?.octets ?? []) }
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
