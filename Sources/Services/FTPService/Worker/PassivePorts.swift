import ConfigurationSchema
import FTPProtocol
import SystemSupport

/// Chooses ports for passive data connections: uniformly at random, so that none can be guessed from earlier ones.
struct PassivePorts {
    private let range: PortRange

    init(_ range: PortRange) { self.range = range }

    /// Ports tried before a client is told that there is none.
    private static let attempts = 64

    /// A listener at `address` on a random free port of the range.
    func open(at address: IPAddress, scope: UInt32) throws(SystemError) -> Descriptor {
        var generator = SystemRandomNumberGenerator()
        var failure = SystemError("bind", .invalid)
        for _ in 0..<Self.attempts {
            let port = UInt16(range.first + Int.random(in: 0..<range.count, using: &generator))
            guard let local = SocketAddress(address, port: port, scope: scope) else { break }
            do throws(SystemError) {
                return try Descriptor.listen(local, backlog: 4)
            } catch {
                failure = error
                guard error.errno == .addressInUse else { throw error }
            }
        }
        throw failure
    }
}
