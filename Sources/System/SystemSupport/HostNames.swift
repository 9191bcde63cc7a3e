import Glibc

/// The four bytes of an IPv4 address of the host called `name`, by getaddrinfo(3); nil when it has none.
///
/// Waits for the name service, some seconds at worst; never in a confined process, which cannot reach it.
package func lookUpIPv4Address(ofHost name: String) -> [UInt8]? {
    var hints = addrinfo()
    hints.ai_family = AF_INET
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(name, nil, &hints, &found) == 0, let found else { return nil }
    defer { freeaddrinfo(found) }
    guard let address = found.pointee.ai_addr else { return nil }
    return UnsafeRawPointer(address).withMemoryRebound(to: sockaddr_in.self, capacity: 1) { address in
        withUnsafeBytes(of: address.pointee.sin_addr.s_addr) { Array($0) }
    }
}
