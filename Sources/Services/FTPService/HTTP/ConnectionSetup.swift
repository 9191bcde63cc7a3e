import NIOCore
import NIOHTTP2
import TLSEngine

/// An HTTP/2 connection, taken over from our loop after its handshake, as SwiftNIO's channel:
///
///     LingeringCloser → TLS → NIOHTTP2Handler → HTTP2Handler
struct ConnectionSetup {
    let desk: DownloadDesk
    let connection: HTTPSConnection
    let tls: TLSConnection

    func begin(_ channel: any NIOCore.Channel) throws {
        connection.end = ChannelEnd(channel)
        // Kept until then: the desk counts it.
        let parts = NIOLoopBound((desk, connection), eventLoop: channel.eventLoop)
        channel.closeFuture.whenComplete { _ in
            let (desk, connection) = parts.value
            desk.left(connection)
        }
        try channel.pipeline.syncOperations.addHandlers([
            LingeringCloser(connection, patience: .seconds(Int64(desk.settings.stallTimeout))),
            TLSServerHandler(connection: tls),
            NIOHTTP2Handler(mode: .server, connectionConfiguration: Self.configuration),
            HTTP2Handler(desk: desk, connection: connection, channel: channel),
        ])
    }

    private static let configuration = {
        var configuration = NIOHTTP2Handler.ConnectionConfiguration()
        configuration.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: HTTP2Handler.mostStreams),
            HTTP2Setting(parameter: .maxHeaderListSize, value: 32_768),
        ]
        return configuration
    }()
}

/// SwiftNIO's way to close; the ``LingeringCloser`` sees to the client.
private final class ChannelEnd: ConnectionEnd {
    private let channel: any NIOCore.Channel

    init(_ channel: any NIOCore.Channel) { self.channel = channel }

    func close() { channel.close(promise: nil) }
    func cut() { channel.close(promise: nil) }
}
