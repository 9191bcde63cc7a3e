import FFSModel
import FTPProtocol
package import SystemSupport

/// A listener for passive data connections. It belongs to one session, or, where the range is used up, to several whose
/// clients have different addresses. Belongs to the control thread.
package final class PassivePort: PollLoop.Source {
    private let socket: Descriptor
    private unowned let loop: PollLoop
    let number: UInt16
    /// Where it listens.
    let address: IPAddress
    /// Whether a connection's address tells whose it is.
    private let isShareable: Bool
    private var holders: [PassiveListener] = []
    private let onUnheld: (PassivePort) -> Void

    /// - Parameter onUnheld: called when the last session has left it.
    init(
        _ socket: consuming Descriptor, at address: IPAddress, isShareable: Bool, loop: PollLoop,
        onUnheld: @escaping (PassivePort) -> Void
    ) throws(SystemError) {
        self.loop = loop
        self.address = address
        self.isShareable = isShareable
        self.onUnheld = onUnheld
        number = try socket.localAddress().port
        self.socket = socket
        super.init()
        try loop.add(self, self.socket.rawValue, [])
    }

    /// Whether a client at `client` may hold it beside those who do.
    func hasRoom(for client: [UInt8]) -> Bool { isShareable && !holders.contains { $0.client == client } }

    func add(_ holder: PassiveListener) {
        holders.append(holder)
        watch()
    }

    func remove(_ holder: PassiveListener) {
        holders.removeAll { $0 === holder }
        guard holders.isEmpty else { return watch() }
        loop.remove(self)
        onUnheld(self)
    }

    /// Looks for connections while somebody waits for one; until then they stay in the kernel, whose queue is too short
    /// for those of several clients.
    func watch() { loop.watch(self, isLooking ? .input : []) }

    private var isLooking: Bool { holders.count > 1 || holders.contains(where: \.isWaiting) }

    package override func ready(_ readiness: Readiness) {
        do throws(SystemError) {
            while isLooking, let accepted = try socket.accept() {
                let caller = accepted.peer
                give(accepted.take(), caller)
            }
        } catch {
            // Out of descriptors: the connection stays in the kernel and would wake this loop for ever.
            loop.watch(self, [])
            loop.setDeadline(self, in: 1)
        }
    }

    package override func expired() { watch() }

    /// A stranger's connection goes to who waits, to be refused like any other, or is refused at once: kept, it could
    /// take the place of the right one.
    private func give(_ socket: consuming Descriptor, _ caller: TCPAddress) {
        let owner = holders.first { $0.client == caller.bytes } ?? holders.first(where: \.isWaiting)
        if let owner { return owner.arrived(socket, caller) }
        socket.set(.resetOnClose)
        holders.first?.onStranger(caller)
    }

    /// Connections that are there: `holder`'s own, and those of nobody known, go to `body` until it takes one.
    func takeArrived(
        for holder: PassiveListener, _ body: (consuming Descriptor, TCPAddress) -> Bool
    ) throws(SystemError) -> Bool {
        while let accepted = try socket.accept() {
            let caller = accepted.peer
            if let owner = holders.first(where: { $0.client == caller.bytes }), owner !== holder {
                owner.arrived(accepted.take(), caller)
            } else if body(accepted.take(), caller) {
                return true
            }
        }
        return false
    }
}
