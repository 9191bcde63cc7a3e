/// An address and a TCP port.
package struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    package let address: IPAddress
    package let port: UInt16

    package init(_ address: IPAddress, _ port: UInt16) {
        self.address = address
        self.port = port
    }

    package var description: String {
        address.family == .v4 ? address.description + ":" + String(port) : "[\(address)]:\(port)"
    }
}
