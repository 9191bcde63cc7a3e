package import FFSModel
package import Logging
import NIOCore
import NIOPosix
package import Requests
import Synchronization
import SystemSupport
import Tobj

/// Serves a request table on a UNIX stream socket, for ffsctl(8) or for a daemon's neighbour on the same machine: one
/// Tobj document a line (LF) each way.
///
/// The kernel names the peer (SO_PEERCRED); served are root, the daemon's own user and members of the socket's group.
package final class ControlServer: Sendable {
    private let path: String
    private let group: UInt32?
    private let logger: Logger
    private let dispatcher: RequestDispatcher
    private let listener = Mutex<(any Channel)?>(nil)
    private let registry = ConnectionRegistry(maximum: 64) { _ in }

    /// - Parameters:
    ///   - link: which of the table's requests are served (``RequestType/links``).
    ///   - group: whose the socket shall be; nil for the daemon's own group.
    package init(path: String, link: Link = .control, group: UInt32? = nil, table: RequestTable, logger: Logger) {
        self.path = path
        self.group = group
        var logger = logger
        logger[metadataKey: "link"] = "\(link.rawValue)"
        self.logger = logger
        dispatcher = RequestDispatcher(
            link: link, table: table, limits: TobjLimits(), maximum: 256, maximumWaits: 64, logger: logger)
    }

    /// Makes the socket, mode 0660. A socket that a killed daemon left is replaced; throws `configuration` when a
    /// daemon still answers on it.
    package func bind() async throws(Failure) {
        if await answers() {
            throw Failure(
                .configuration,
                "\(path) is in use: this daemon runs already; stop it first, or give this one its own run.directory")
        }
        // Under another name until the mode is right: nobody connects in between.
        let fresh = "\(path).\(processNumber())"
        LocalSocket.remove(fresh)
        do {
            let channel = try await bootstrap().bind(unixDomainSocketPath: fresh).get()
            // Not in that group, and not root: then all daemons are one user's, who is admitted anyway.
            if let group, let error = LocalSocket.give(fresh, group: group) {
                logger.notice(
                    "the socket's group stays this daemon's own",
                    metadata: ["path": "\(path)", "cause": "\(error)"])
            }
            do throws(SystemError) { try LocalSocket.publish(fresh, as: path) } catch {
                LocalSocket.remove(fresh)
                try await channel.close()
                throw Failure(.configuration, "cannot put the control socket at \(path): \(error.errno)")
            }
            listener.withLock { $0 = channel }
        } catch let failure as Failure { throw failure } catch {
            throw Failure(
                .configuration,
                "cannot make the control socket \(path); run.directory must exist and be writable for this daemon's user",
                cause: "\(error)")
        }
    }

    private func answers() async -> Bool {
        guard
            let channel = try? await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(unixDomainSocketPath: path).get()
        else { return false }
        try? await channel.close()
        return true
    }

    /// Serves until ``shutdown()``; binds first unless ``bind()`` did.
    package func run() async throws {
        if listener.withLock({ $0 == nil }) { try await bind() }
        await registry.drained()
        try? await listener.withLock { $0 }?.close()
        LocalSocket.remove(path)
    }

    /// Accepts no more and hangs up once what is under way is answered; `run()` then returns.
    package func shutdown() {
        listener.withLock { $0 }?.close(promise: nil)
        registry.forEach(ControlChannelHandler.self) { $0.finish() }
        registry.stop()
    }

    private func bootstrap() -> ServerBootstrap {
        ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 4_096)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { [self] channel in admit(channel) }
    }

    private struct Refused: Error {}

    private func admit(_ channel: any Channel) -> EventLoopFuture<Void> {
        guard let socket = channel as? any SocketOptionProvider else {
            return channel.eventLoop.makeFailedFuture(Refused())
        }
        let credentials: EventLoopFuture<PeerCredentials> = socket.unsafeGetSocketOption(
            level: .socket, name: NIOBSDSocket.Option(rawValue: SocketOptionNumber.peerCredentials))
        return credentials.flatMapThrowing { [self] peer in
            guard isAllowed(peer) else {
                logger.notice(
                    "connection refused",
                    metadata: [
                        "peer": "uid \(peer.uid)", "reason": "not root, nor this daemon, nor of the socket's group",
                    ])
                throw Refused()
            }
            guard registry.admit(channel) else { throw Refused() }
            let handler = ControlChannelHandler(dispatcher: dispatcher, peer: "uid \(peer.uid)")
            try channel.pipeline.syncOperations.addHandler(handler)
        }
    }

    /// The socket's mode lets nobody else in; this holds even where an operator has changed it.
    private func isAllowed(_ peer: PeerCredentials) -> Bool {
        if peer.uid == 0 || peer.uid == SystemUser.effectiveNumber { return true }
        guard let group = LocalSocket.group(of: path) else { return false }
        if peer.gid == group { return true }
        let user = try? SystemUser(number: peer.uid)
        return user?.groups.contains(group) == true
    }
}
