package import FFSModel
import NIOCore
import NIOPosix
import Requests
import SystemSupport
package import Tobj

/// Sends requests to a daemon on the same machine over its control socket, a connection for each request:
/// for ffsctl(8), which asks a few and ends.
package struct ControlClient: RequestTransport {
    private let path: String
    private let server: String?

    /// `path`: `<run.directory>/<daemon>/control.sock`. `server`: the user that the daemon runs as. With it, only that
    /// user, root and the caller's own are believed: whoever else owned the directory could wait there for an operator's
    /// passwords. Without it, whoever answers is believed.
    package init(path: String, server: String? = nil) {
        self.path = path
        self.server = server
    }

    /// Throws `unreachable` when the daemon is not there or hangs up, `denied` when it may not be asked.
    package func exchange(_ request: Document) async throws(Failure) -> Document {
        let line: [UInt8]
        do {
            let channel = try await connect()
            line = try await channel.executeThenClose { inbound, outbound in
                try await verifyServer(of: channel.channel)
                try await outbound.write(ByteBuffer(bytes: request.serialized() + [UInt8(ascii: "\n")]))
                return try await Self.line(from: inbound)
            }
        } catch let failure as Failure { throw failure } catch {
            throw Failure(.unreachable, "the daemon hung up at \(path); see its log", cause: "\(error)")
        }
        return try Document(bytes: line)
    }

    private func connect() async throws(Failure) -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
        do {
            return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(unixDomainSocketPath: path) { channel in
                    channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel(wrappingChannelSynchronously: channel) }
                }
        } catch let error as IOError where error.errnoCode == Errno.accessDenied.rawValue {
            throw Failure(
                .denied, "you may not talk to the daemon at \(path): run ffsctl as root, or join the socket's group")
        } catch {
            throw Failure(
                .unreachable,
                "no daemon answers at \(path); start it, or set run.directory to where its socket is",
                cause: reason(of: error)
            )
        }
    }

    /// The kernel says who listens.
    private func verifyServer(of channel: any Channel) async throws {
        guard let server, let socket = channel as? any SocketOptionProvider else { return }
        let peer: PeerCredentials = try await socket.unsafeGetSocketOption(
            level: .socket, name: NIOBSDSocket.Option(rawValue: SocketOptionNumber.peerCredentials)
        ).get()
        if peer.uid == 0 || peer.uid == SystemUser.effectiveNumber { return }
        if let user = try SystemUser(named: server), user.user == peer.uid { return }
        throw Failure(
            .denied,
            "user \(peer.uid) answers at \(path), not \(server) as it should; nothing was sent: find out who that is, "
                + "then remove the socket and start the daemon")
    }

    private static func line(from inbound: NIOAsyncChannelInboundStream<ByteBuffer>) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await part in inbound {
            bytes.append(contentsOf: part.readableBytesView)
            if bytes.last == UInt8(ascii: "\n") { return bytes.dropLast() }
        }
        throw Failure(
            .unreachable, "the daemon closed the connection without a reply; its log says why (it may not know you)")
    }
}
