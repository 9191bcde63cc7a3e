import Commlink
import FFSModel
import NIOCore
import NIOPosix
import Synchronization
import SystemSupport
import Tobj

/// Why one connection did not bring a reply.
enum LinkFailure: Error, Sendable {
    /// No TCP connection.
    case connect(String)
    /// Neither a connection nor a refusal, or no hello: a host that is down, a firewall that drops, a daemon that hangs.
    case silent
    /// The server hung up on the hello, after the time that it takes for every refusal.
    case refused
    /// The server hung up without having looked at the hello.
    case turnedAway
    /// The connection ended, or broke the protocol, before the reply.
    case lost(String)
    case timeout
    case cancelled
}

/// One open connection of a client, usable from any task.
final class ClientLink: Sendable {
    /// Where the connection leads, for errors.
    let port: Int
    /// The bag it was opened with; the pool retires it once another is current.
    let bag: BagID
    private let settings: CommlinkSettings
    private let channel: any Channel
    private let handler: NIOLoopBound<ClientChannelHandler>
    private let born = NIODeadline.now()
    private let status: ClientLinkStatus

    private init(
        port: Int, bag: BagID, settings: CommlinkSettings, channel: any Channel,
        handler: NIOLoopBound<ClientChannelHandler>, status: ClientLinkStatus
    ) {
        self.port = port
        self.bag = bag
        self.settings = settings
        self.channel = channel
        self.handler = handler
        self.status = status
    }

    /// Connects, shakes hands with the key that the connection's own port picks, and returns the open link.
    static func open(
        host: String, port: Int, bag: KeyBag, settings: CommlinkSettings
    ) -> EventLoopFuture<ClientLink> {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        // A name with several addresses makes several channels, of which one wins; only its handler is asked.
        return ClientBootstrap(group: loop)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.tcpUserTimeout, value: tcpUserTimeout)
            .connectTimeout(.seconds(Int64(settings.helloTimeout)))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = ClientChannelHandler(
                        bag: bag, settings: settings, opened: channel.eventLoop.makePromise())
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .connect(host: host, port: port)
            .flatMapErrorThrowing { error in
                if case ChannelError.connectTimeout? = error as? ChannelError { throw LinkFailure.silent }
                throw LinkFailure.connect(reason(of: error))
            }
            .flatMap { channel in
                // Gone from the pipeline: the server hung up before this ran.
                guard let handler = try? channel.pipeline.syncOperations.handler(type: ClientChannelHandler.self) else {
                    return loop.makeFailedFuture(LinkFailure.turnedAway)
                }
                let link = ClientLink(
                    port: port, bag: bag.id, settings: settings, channel: channel,
                    handler: NIOLoopBound(handler, eventLoop: loop), status: handler.status)
                return handler.opened.futureResult.map { link }
            }
    }

    /// Whether a document of `size` bytes may still go this way.
    func mayCarry(_ size: Int) -> Bool {
        guard status.isOpen.load(ordering: .relaxed) else { return false }
        let packets = status.packets.load(ordering: .relaxed)
        guard packets > 0 else { return true }
        // One more for the close.
        return packets + CommlinkLimits.packets(for: size) + 1 <= settings.reconnectPackets
            && NIODeadline.now() - born < .seconds(Int64(settings.reconnectSeconds))
    }

    /// Sends a request's bytes and waits for the reply with its id.
    func exchange(_ request: [UInt8], id: RequestID, deadline: NIODeadline) async throws(LinkFailure) -> Document {
        let ticket = status.tickets.add(1, ordering: .relaxed).newValue
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                channel.eventLoop.execute { [handler] in
                    handler.value.submit(
                        request, id: id,
                        .init(ticket: ticket, deadline: deadline) { continuation.resume(returning: $0) })
                }
            }
        } onCancel: {
            channel.eventLoop.execute { [handler] in handler.value.cancel(ticket, id: id) }
        }
        return try result.get()
    }

    /// Takes no more requests; says close once the replies under way are in.
    func retire() {
        status.isOpen.store(false, ordering: .relaxed)
        channel.eventLoop.execute { [handler] in handler.value.retire() }
    }

    /// Completes when the socket is closed.
    func ended() async { try? await channel.closeFuture.get() }
}

/// What tasks may know of a connection without asking its event loop.
final class ClientLinkStatus: Sendable {
    let isOpen = Atomic(true)
    /// Packets in the busier direction so far.
    let packets = Atomic(0)
    let tickets = Atomic(0)
}

/// Why there is no connection, in the system's words and not in those of the library's types.
func reason(of error: any Error) -> String {
    switch error {
    case let error as NIOConnectionError:
        if let first = error.connectionErrors.first { return reason(of: first.error) }
        return "the name \(error.host) has no address"
    case let error as IOError: return "\(Errno(error.errnoCode))"
    default: return "\(error)"
    }
}
