import ConfigurationSchema
import FFSModel
import SystemSupport
import TestSupport
import Testing

@testable import FTPService

@Suite struct PassivePortsTests {
    private let loop: PollLoop
    private let address = IPAddress(v4: 0x7F00_0001)

    init() throws { loop = try PollLoop() }

    private func ports(_ range: ClosedRange<Int>, share: Int = 0, of count: Int = 1) throws -> PassivePorts {
        PassivePorts(
            PortRange(first: range.lowerBound, last: range.upperBound), share: share, of: count, loop: loop,
            CongestionControl())
    }

    private func hold(_ port: PassivePort, _ client: [UInt8]) throws -> PassiveListener {
        try PassiveListener(port, client: client, loop: loop, unusedSeconds: 60, onUnused: {}, onStranger: { _ in })
    }

    /// Each worker has every n-th port for its own: all of them, and none of another's.
    @Test func workersShareARange() throws {
        let range = try Ports.range(9)
        var taken: [Int: Int] = [:]
        var held: [PassiveListener] = []
        let all = try (0..<3).map { try ports(range, share: $0, of: 3) }
        for (worker, ports) in all.enumerated() {
            for _ in 0..<3 {
                let port = try ports.port(at: address, scope: 0, for: [1], mayShare: false)
                #expect((Int(port.number) - range.lowerBound) % 3 == worker)
                #expect(taken.updateValue(worker, forKey: Int(port.number)) == nil)
                held.append(try hold(port, [1]))
            }
            let error = #expect(throws: SystemError.self) {
                try ports.port(at: address, scope: 0, for: [1], mayShare: false)
            }
            #expect(error?.errno == .addressInUse)
        }
        #expect(taken.keys.sorted() == Array(range))
        withExtendedLifetime(all) { for holder in held { holder.close() } }
    }

    /// A port is shared by clients of different addresses alone, once there is no other, and free when all have left.
    @Test func aPortIsSharedByDifferentClients() throws {
        let range = try Ports.range(1)
        let ports = try ports(range)
        do {
            let first = try ports.port(at: address, scope: 0, for: [1], mayShare: true)
            let one = try hold(first, [1])
            #expect(throws: SystemError.self) { try ports.port(at: address, scope: 0, for: [1], mayShare: true) }
            #expect(throws: SystemError.self) { try ports.port(at: address, scope: 0, for: [2], mayShare: false) }
            let second = try ports.port(at: address, scope: 0, for: [2], mayShare: true)
            #expect(second === first)
            let two = try hold(second, [2])
            one.close()
            let again = try ports.port(at: address, scope: 0, for: [1], mayShare: true)
            #expect(again === first)
            two.close()
        }
        let fresh = try ports.port(at: address, scope: 0, for: [3], mayShare: false)
        #expect(Int(fresh.number) == range.lowerBound)
    }
}
