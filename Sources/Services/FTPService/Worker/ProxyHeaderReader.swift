import FFSModel
import FTPProtocol
package import SystemSupport

/// Reads the PROXY protocol header of one connection from a listed balancer, then gives the socket on with the client's
/// address. Nothing behind the header is taken.
package final class ProxyHeaderReader: PollLoop.Source {
    private var socket: Descriptor?
    private let peer: TCPAddress
    private unowned let loop: PollLoop
    /// Gets the socket, and the client's address; nil for a broken header, or one that was too slow.
    private let completion: (consuming Descriptor, TCPAddress?) -> Void
    private static let seconds = 5

    init(
        _ socket: consuming Descriptor, peer: TCPAddress, loop: PollLoop,
        completion: @escaping (consuming Descriptor, TCPAddress?) -> Void
    ) throws(SystemError) {
        self.peer = peer
        self.loop = loop
        self.completion = completion
        let number = socket.rawValue
        self.socket = consume socket
        super.init()
        try loop.add(self, number, .input)
        loop.setDeadline(self, in: Self.seconds)
    }

    package override func ready(_ readiness: Readiness) {
        guard let given = socket.take() else { return }
        let header = withUnsafeTemporaryAllocation(byteCount: ProxyHeader.longest, alignment: 1) { space in
            switch given.peek(into: space) {
            case .bytes(let count): return ProxyHeader(UnsafeRawBufferPointer(rebasing: space[..<count]))
            case .wouldBlock: return .incomplete
            case .end, .failed: return .malformed
            }
        }
        switch header {
        case .incomplete: socket = consume given
        case .malformed: finish(given, nil)
        case .header(let length, let client):
            withUnsafeTemporaryAllocation(byteCount: length, alignment: 1) { _ = given.receive(into: $0) }
            let address = client.map { TCPAddress($0.address, port: $0.port) } ?? peer
            finish(given, address)
        }
    }

    package override func expired() {
        guard let given = socket.take() else { return }
        finish(given, nil)
    }

    private func finish(_ socket: consuming Descriptor, _ client: TCPAddress?) {
        loop.remove(self)
        completion(socket, client)
    }
}
