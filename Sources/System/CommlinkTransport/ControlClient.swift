package import FFSModel
import NIOCore
import NIOPosix
import Requests
package import Tobj

/// Sends requests to a daemon on the same machine over its control socket, a connection for each request:
/// for ffsctl(8), which asks a few and ends.
package struct ControlClient: RequestTransport {
    private let path: String

    /// `path`: `<run.directory>/<daemon>.sock`.
    package init(path: String) { self.path = path }

    /// Throws `unreachable` when the daemon is not there or hangs up, `denied` when it may not be asked.
    package func exchange(_ request: Document) async throws(Failure) -> Document {
        let line: [UInt8]
        do {
            let channel = try await connect()
            line = try await channel.executeThenClose { inbound, outbound in
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
        } catch let error as IOError where error.errnoCode == EACCES {
            throw Failure(
                .denied, "you may not talk to the daemon at \(path): run ffsctl as root, or join the socket's group")
        } catch {
            throw Failure(
                .unreachable,
                "no daemon answers at \(path); start it, or name its directory (run.directory)", cause: "\(error)")
        }
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
