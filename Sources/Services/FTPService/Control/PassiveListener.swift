import FTPProtocol
package import SystemSupport

/// The passive port of one session, kept from one transfer to the next. Belongs to the control thread.
package final class PassiveListener: EventLoop.Source {
    private let socket: Descriptor
    private unowned let loop: EventLoop
    let port: UInt16
    /// Called for each connection that comes while someone waits.
    private var whoWaits: ((consuming Descriptor, SocketAddress) -> Void)?
    private let onUnused: () -> Void
    private let unusedSeconds: Int

    /// - Parameter onUnused: called when nobody connected for `unusedSeconds`; the owner drops the listener then.
    init(
        _ socket: consuming Descriptor, loop: EventLoop, unusedSeconds: Int, onUnused: @escaping () -> Void
    ) throws(SystemError) {
        self.loop = loop
        port = try socket.localAddress().port
        self.socket = socket
        self.onUnused = onUnused
        self.unusedSeconds = unusedSeconds
        super.init()
        try loop.add(self, self.socket.rawValue, [])
        loop.setDeadline(self, in: unusedSeconds)
    }

    /// Refuses whoever connected for a transfer that never came.
    func forgetCallers() {
        while let stale = try? socket.accept() { stale.take().set(.resetOnClose) }
        loop.setDeadline(self, in: unusedSeconds)
    }

    /// A connection that is there already.
    func acceptNow() throws(SystemError) -> AcceptedSocket? {
        loop.setDeadline(self, in: unusedSeconds)
        return try socket.accept()
    }

    /// Calls `body` for each connection until ``stopWaiting()``.
    /// - Parameter isNeeded: a transfer waits, and knows how long; otherwise the port still closes when unused.
    func wait(isNeeded: Bool = true, _ body: @escaping (consuming Descriptor, SocketAddress) -> Void) {
        whoWaits = body
        loop.setDeadline(self, in: isNeeded ? nil : unusedSeconds)
        loop.watch(self, .input)
    }

    func stopWaiting() {
        whoWaits = nil
        loop.watch(self, [])
        loop.setDeadline(self, in: unusedSeconds)
    }

    package override func ready(_ readiness: Readiness) {
        while let body = whoWaits, let accepted = try? socket.accept() {
            let peer = accepted.peer
            body(accepted.take(), peer)
        }
    }

    package override func expired() { onUnused() }

    func close() { loop.remove(self) }
}

/// An active data connection on its way to the client.
package final class ActiveConnector: EventLoop.Source {
    private var socket: Descriptor?
    private unowned let loop: EventLoop
    /// Gets the socket once it is connected, or nil and why not.
    private let completion: (consuming Descriptor?, String) -> Void

    init(
        from local: SocketAddress, to remote: SocketAddress, loop: EventLoop,
        completion: @escaping (consuming Descriptor?, String) -> Void
    ) throws(SystemError) {
        self.loop = loop
        self.completion = completion
        let connecting = try Descriptor.connect(from: local, to: remote)
        let number = connecting.rawValue
        socket = consume connecting
        super.init()
        try loop.add(self, number, .output)
    }

    package override func ready(_ readiness: Readiness) {
        guard let connected = take() else { return }
        if let errno = connected.socketError() { return completion(nil, errno.description) }
        completion(connected, "")
    }

    func cancel() { _ = take() }

    private func take() -> Descriptor? {
        loop.remove(self)
        return socket.take()
    }
}
