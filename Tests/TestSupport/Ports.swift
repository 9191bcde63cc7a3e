import Glibc
import Synchronization

/// Loopback ports for the programs that one test process starts.
package enum Ports {
    /// Below the kernel's ephemeral range, so that no outgoing connection takes one meanwhile. Processes that run
    /// at the same time start at different places.
    private static let next = Mutex(20_000 + Int(getpid() % 100) * 100)

    /// `count` ports in a row, free on IPv4 and IPv6 and not handed out before by this process.
    package static func range(_ count: Int) throws -> ClosedRange<Int> {
        try next.withLock { next in
            for _ in 0..<12_000 {
                if next + count > 32_000 { next = 20_000 }
                let range = next...(next + count - 1)
                if let taken = range.first(where: { !isFree($0) }) {
                    next = taken + 1
                    continue
                }
                next = range.upperBound + 1
                return range
            }
            throw TestFailure("no \(count) free ports in a row between 20000 and 32000")
        }
    }

    package static func one() throws -> Int { try range(1).lowerBound }

    private static func isFree(_ port: Int) -> Bool {
        var any = sockaddr_in6()
        any.sin6_family = sa_family_t(AF_INET6)
        any.sin6_port = in_port_t(port).bigEndian
        let descriptor = socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return withUnsafePointer(to: &any) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in6>.size)) == 0
            }
        }
    }
}
