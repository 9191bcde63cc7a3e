import FTPProtocol
package import SystemSupport

/// One session's hold on a passive port, kept from one transfer to the next. Belongs to the control thread.
package final class PassiveListener: PollLoop.Source {
    private let place: PassivePort
    private unowned let loop: PollLoop
    /// The address that the client is expected to connect from.
    let client: [UInt8]
    /// Called for each connection that comes while someone waits.
    private var whoWaits: ((consuming Descriptor, TCPAddress) -> Void)?
    /// Connections of this client that came while only others waited at the same port.
    private var early: [EarlyCaller] = []
    private let onUnused: () -> Void
    /// Called for a connection at a shared port that is nobody's, and was refused.
    let onStranger: (TCPAddress) -> Void
    private let unusedSeconds: Int
    private static let mostEarly = 4

    /// A connection that nobody has asked for yet.
    private final class EarlyCaller {
        let address: TCPAddress
        private var socket: Descriptor?

        init(_ socket: consuming Descriptor, _ address: TCPAddress) {
            self.socket = consume socket
            self.address = address
        }

        func take() -> Descriptor? { socket.take() }
    }

    /// - Parameter onUnused: called when nobody connected for `unusedSeconds`; the owner drops the listener then.
    init(
        _ place: PassivePort, client: [UInt8], loop: PollLoop, unusedSeconds: Int, onUnused: @escaping () -> Void,
        onStranger: @escaping (TCPAddress) -> Void
    ) throws(SystemError) {
        self.place = place
        self.client = client
        self.loop = loop
        self.onUnused = onUnused
        self.onStranger = onStranger
        self.unusedSeconds = unusedSeconds
        super.init()
        try loop.add(self, -1, [])
        loop.setDeadline(self, in: unusedSeconds)
        place.add(self)
    }

    var port: UInt16 { place.number }

    /// Refuses whoever connected for a transfer that never came.
    func forgetCallers() {
        _ = try? takeArrived { socket, _ in
            socket.set(.resetOnClose)
            return false
        }
    }

    /// Offers `body` the connections that are there already, until it takes one; whether it did.
    func takeArrived(_ body: (consuming Descriptor, TCPAddress) -> Bool) throws(SystemError) -> Bool {
        loop.setDeadline(self, in: unusedSeconds)
        while !early.isEmpty {
            let caller = early.removeFirst()
            if let socket = caller.take(), body(socket, caller.address) { return true }
        }
        return try place.takeArrived(for: self, body)
    }

    var isWaiting: Bool { whoWaits != nil }

    /// Calls `body` for each connection until ``stopWaiting()``.
    /// - Parameter isNeeded: a transfer waits, and knows how long; otherwise the port still closes when unused.
    func wait(isNeeded: Bool = true, _ body: @escaping (consuming Descriptor, TCPAddress) -> Void) {
        whoWaits = body
        loop.setDeadline(self, in: isNeeded ? nil : unusedSeconds)
        place.watch()
    }

    func stopWaiting() {
        whoWaits = nil
        place.watch()
        loop.setDeadline(self, in: unusedSeconds)
    }

    /// A connection that may be this client's.
    func arrived(_ socket: consuming Descriptor, _ caller: TCPAddress) {
        if let whoWaits { return whoWaits(socket, caller) }
        guard early.count < Self.mostEarly else { return socket.set(.resetOnClose) }
        early.append(EarlyCaller(socket, caller))
    }

    package override func expired() { onUnused() }

    func close() {
        loop.remove(self)
        place.remove(self)
        whoWaits = nil
        for caller in early { caller.take()?.set(.resetOnClose) }
        early = []
    }
}

/// An active data connection on its way to the client.
package final class ActiveConnector: PollLoop.Source {
    private var socket: Descriptor?
    private unowned let loop: PollLoop
    /// Gets the socket once it is connected, or nil and why not.
    private let completion: (consuming Descriptor?, String) -> Void

    init(
        from local: TCPAddress, to remote: TCPAddress, loop: PollLoop,
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
