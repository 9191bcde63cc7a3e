import FFSModel
import ConfigurationSchema
import FTPProtocol
import SystemSupport

/// The ports of one worker for passive data connections, drawn uniformly at random, so that none can be guessed from
/// earlier ones.
///
/// Each of n workers owns every n-th port of the range: a worker can share a port of its own among clients of
/// different addresses when there are more sessions than ports, but none of another process.
final class PassivePorts {
    private let range: PortRange
    private let step: Int
    private let first: Int
    private let loop: PollLoop
    private let congestionControl: CongestionControl
    private var open: [ObjectIdentifier: PassivePort] = [:]

    /// - Parameters:
    ///   - share: the worker's number.
    ///   - count: workers; a range that is smaller is everyone's.
    init(
        _ range: PortRange, share: Int, of count: Int, loop: PollLoop, _ congestionControl: CongestionControl
    ) {
        self.range = range
        step = range.count >= count ? count : 1
        first = range.first + share % step
        self.loop = loop
        self.congestionControl = congestionControl
    }

    /// Random ports tried before all of a small range are, or one is shared.
    private static let attempts = 64
    /// So many ports at most are tried one after another.
    private static let mostTried = 1_024

    /// A port at `address` for a client at `client`. Throws ``Errno/addressInUse`` when there is none.
    /// - Parameter mayShare: the client connects from `client` and nowhere else.
    func port(
        at address: IPAddress, scope: UInt32, for client: [UInt8], mayShare: Bool
    ) throws(SystemError) -> PassivePort {
        let count = (range.last - first) / step + 1
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<Self.attempts {
            let number = first + step * Int.random(in: 0..<count, using: &generator)
            if let port = try listen(number, address, scope, mayShare) { return port }
        }
        let shared = mayShare ? open.values.filter { $0.address == address && $0.hasRoom(for: client) } : []
        if let port = shared.randomElement(using: &generator) { return port }
        let start = Int.random(in: 0..<count, using: &generator)
        for offset in 0..<min(count, Self.mostTried) {
            let number = first + step * ((start + offset) % count)
            if let port = try listen(number, address, scope, mayShare) { return port }
        }
        throw SystemError("bind", .addressInUse)
    }

    /// nil when somebody has that port.
    private func listen(
        _ number: Int, _ address: IPAddress, _ scope: UInt32, _ isShareable: Bool
    ) throws(SystemError) -> PassivePort? {
        guard let local = TCPAddress(address, port: UInt16(number), scope: scope) else { return nil }
        let listener: Descriptor
        do throws(SystemError) { listener = try Descriptor.listen(local, backlog: 8) } catch {
            guard error.errno == .addressInUse else { throw error }
            return nil
        }
        congestionControl.prepare(listener: listener)
        let port = try PassivePort(listener, at: address, isShareable: isShareable, loop: loop) { [unowned self] port in
            open[ObjectIdentifier(port)] = nil
        }
        open[ObjectIdentifier(port)] = port
        return port
    }
}
