import CLinux
import Glibc

/// What `ffsctl check` asks the network and the machine; each may wait for the name service or for `timeout`.
package enum Probes {
    /// The addresses of a host by getaddrinfo(3), or of an address in text; empty when it has none.
    package static func addresses(ofHost name: String, port: UInt16) -> [TCPAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(name, nil, &hints, &found) == 0 else { return [] }
        defer { freeaddrinfo(found) }
        var addresses: [TCPAddress] = []
        var next = found
        while let entry = next {
            next = entry.pointee.ai_next
            guard let raw = entry.pointee.ai_addr else { continue }
            if let address = Self.address(raw, entry.pointee.ai_family, port) { addresses.append(address) }
        }
        return addresses
    }

    private static func address(
        _ raw: UnsafeMutablePointer<sockaddr>, _ family: Int32, _ port: UInt16
    ) -> TCPAddress? {
        let raw = UnsafeRawPointer(raw)
        switch family {
        case AF_INET:
            let bytes = withUnsafeBytes(of: raw.load(as: sockaddr_in.self).sin_addr) { Array($0) }
            return TCPAddress(bytes: bytes, port: port)
        case AF_INET6:
            let entry = raw.load(as: sockaddr_in6.self)
            return TCPAddress(
                bytes: withUnsafeBytes(of: entry.sin6_addr) { Array($0) }, port: port, scope: entry.sin6_scope_id)
        default: return nil
        }
    }

    /// Why nobody could listen there now; nil when one could.
    package static func obstacle(toListenAt address: TCPAddress) -> Errno? {
        do throws(SystemError) {
            _ = try Descriptor.listen(address, backlog: 1, bothFamilies: address.bytes.allSatisfy { $0 == 0 })
            return nil
        } catch { return error.errno }
    }

    /// Whether a TCP connection to `address` comes about within `timeout` milliseconds.
    package static func canConnect(to address: TCPAddress, timeout: Int32) -> Bool {
        guard let any = TCPAddress(bytes: address.bytes.map { _ in 0 }, port: 0) else { return false }
        do throws(SystemError) {
            let socket = try Descriptor.connect(from: any, to: address)
            let poller = try Poller()
            try poller.add(socket.rawValue, .output, token: 0)
            guard try poller.wait(milliseconds: timeout) > 0 else { return false }
            return socket.socketError() == nil
        } catch { return false }
    }

    /// Whether the kernel's clock is kept by a time service, adjtimex(2); nil where that cannot be asked.
    package static var isClockKept: Bool? {
        let result = ffs_clock_is_kept()
        return result < 0 ? nil : result == 1
    }

    /// gethostname(2).
    package static var hostName: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// Runs blocking work on a thread of its own and waits for it without holding a thread of Swift's pool.
package func onOwnThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
        do { try SystemThread(name: "waiting") { continuation.resume(returning: body()) }.detach() } catch {
            // No thread to be had: it is done here.
            continuation.resume(returning: body())
        }
    }
}
