import ConfigurationSchema
import FTPProtocol
import SystemSupport

/// Chooses ports for passive data connections: uniformly at random, so that none can be guessed from earlier ones.
struct PassivePorts {
    private let range: PortRange
    private let congestionControl: CongestionControl

    init(_ range: PortRange, _ congestionControl: CongestionControl) {
        self.range = range
        self.congestionControl = congestionControl
    }

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
                let listener = try Descriptor.listen(local, backlog: 4)
                congestionControl.prepare(listener: listener)
                return listener
            } catch {
                failure = error
                guard error.errno == .addressInUse else { throw error }
            }
        }
        throw failure
    }
}
