package import Commlink
import NIOCore
import SystemSupport

/// The rules of a link's connections (ffs.yaml(5), group `commlink`).
package struct CommlinkSettings: Sendable {
    package var portCheck = PortCheck.strict
    /// Seconds from accept(2) or connect(2) to the end of the handshake.
    package var helloTimeout = 5
    /// Bytes of the largest Tobj document.
    package var documentSize = 1 << 20
    /// Connections that a server holds at once.
    package var maxConnections = 1_024
    /// Packets after which a client reconnects.
    package var reconnectPackets = CommlinkLimits.packets
    /// Seconds after which a client reconnects.
    package var reconnectSeconds = CommlinkLimits.seconds
    /// Seconds that a line, or the next packet of a document, may take once it has begun.
    package var progressTimeout = 30
    /// Seconds that a client waits for a reply, reconnects included, where its caller has less patience than the
    /// catalogue (``RequestType/Row/timeout``).
    package var patience: Int?
    /// Requests that a server works on at once for one connection; it reads no more until one is answered.
    package var requestsPerConnection = 64
    /// Requests that a server works on at once; more are answered `busy`.
    package var requestsInAll = 4_096
    /// Questions that may wait (``RequestType/Row/mayWait``) and do, of one connection and in all; more are answered `busy`.
    package var waitsPerConnection = 1_024
    package var waitsInAll = 16_384
    /// Milliseconds from a refused hello to the close, the same whatever the reason.
    package var refusalDelay = 500

    package init() {}
}

/// Milliseconds after which the kernel gives up on a peer that acknowledges nothing (TCP_USER_TIMEOUT of tcp(7)): a host
/// that vanished without a word must not hold requests until their own timeout.
let tcpUserTimeout = ChannelOptions.Types.SocketOption.Value(20_000)

extension ChannelOption where Self == ChannelOptions.Types.SocketOption {
    static var tcpUserTimeout: Self { .tcpOption(NIOBSDSocket.Option(rawValue: SocketOptionNumber.tcpUserTimeout)) }
}
