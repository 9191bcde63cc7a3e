package import SystemSupport

/// A data connection that came before its transfer's command, under PROT P. TLS is agreed at once: curl, for one, asks
/// nothing more on the control connection until the server has answered on this one, or 200 ms have passed.
///
/// Belongs to the control thread. How a failed handshake is answered, and whether the right session was resumed, is
/// the transfer's business.
package final class EarlyConnection: PollLoop.Source {
    private let stream: ByteStream
    private unowned let loop: PollLoop

    /// - Parameter stream: TLS has been started, and nothing was read.
    init(_ stream: ByteStream, loop: PollLoop) throws(SystemError) {
        self.stream = stream
        self.loop = loop
        super.init()
        try loop.add(self, stream.socket.rawValue, .input)
    }

    package override func ready(_ readiness: Readiness) {
        switch stream.handshake() {
        case .wantsInput: loop.watch(self, .input)
        case .wantsOutput: loop.watch(self, .output)
        case .bytes, .end, .failed: loop.watch(self, .none)
        }
    }

    /// For the transfer, which goes on with the handshake where it is not done.
    func take() -> ByteStream {
        loop.remove(self)
        return stream
    }

    /// Nobody wants it any more.
    func discard() {
        loop.remove(self)
        stream.socket.set(.resetOnClose)
    }
}
