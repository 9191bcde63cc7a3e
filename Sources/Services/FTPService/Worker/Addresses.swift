package import FFSModel
import FTPProtocol
package import SystemSupport

/// Between the system's socket addresses and the protocol's.
extension TCPAddress {
    package var ip: IPAddress { IPAddress(bytes: bytes) ?? IPAddress(v4: 0) }
    package var endpoint: Endpoint { Endpoint(ip, port) }

    package init?(_ address: IPAddress, port: UInt16, scope: UInt32 = 0) {
        self.init(bytes: address.bytes, port: port, scope: scope)
    }
}
