package import NIOCore

/// Fired up the pipeline when a handshake is done.
package struct TLSHandshakeCompleted: Sendable, Hashable {
    /// `TLSv1.3`
    package let version: String
    package let cipher: String
    package let applicationProtocol: String?
    package let resumption: TLSConnection.Resumption
}

/// TLS for a NIO channel; goes first in the pipeline.
///
/// Writes made before the handshake ends wait for it. A close sends close_notify first. When the peer vanishes
/// without close_notify the error `TLSError.truncated` comes up before the channel's end.
package final class TLSServerHandler: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    private let connection: TLSConnection
    private var waiting: [(ByteBuffer, EventLoopPromise<Void>?)] = []
    private var closed = false
    private var sawCloseNotify = false

    package init(connection: TLSConnection) { self.connection = connection }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        unwrapInboundIn(data).withUnsafeReadableBytes { connection.feed($0) }
        do {
            if !connection.isEstablished {
                let progress = try connection.handshake()
                send(context: context)
                context.flush()
                guard progress == .done else { return }
                established(context: context)
            }
            try deliver(context: context)
        } catch {
            // The alert that OpenSSL wrote says why; it must reach the peer before the end.
            send(context: context)
            context.flush()
            closed = true
            context.fireErrorCaught(error)
            context.close(mode: .all, promise: nil)
        }
    }

    private func established(context: ChannelHandlerContext) {
        context.fireUserInboundEventTriggered(
            TLSHandshakeCompleted(
                version: connection.version, cipher: connection.cipher,
                applicationProtocol: connection.applicationProtocol, resumption: connection.resumption))
        let held = waiting
        waiting = []
        for (buffer, promise) in held { encrypt(buffer, promise, context: context) }
        context.flush()
    }

    /// Decrypts what has arrived, record by record.
    private func deliver(context: ChannelHandlerContext) throws {
        var ended = false
        while !closed, !ended {
            var plain = context.channel.allocator.buffer(capacity: 16_384)
            let count = try plain.writeWithUnsafeMutableBytes(minimumWritableBytes: 16_384) { space in
                switch try connection.read(into: space) {
                case .bytes(let count): return count
                case .closed: sawCloseNotify = true
                case .needsInput, .needsOutput: break
                }
                ended = true
                return 0
            }
            if count > 0 { context.fireChannelRead(wrapInboundOut(plain)) }
        }
        send(context: context)
        context.flush()
        if sawCloseNotify, !closed { context.close(mode: .all, promise: nil) }
    }

    package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let buffer = unwrapOutboundIn(data)
        guard connection.isEstablished else { return waiting.append((buffer, promise)) }
        encrypt(buffer, promise, context: context)
    }

    private func encrypt(_ buffer: ByteBuffer, _ promise: EventLoopPromise<Void>?, context: ChannelHandlerContext) {
        do {
            var rest = buffer.readableBytesView[...]
            while !rest.isEmpty {
                let result = try rest.withUnsafeBytes { try connection.write($0) }
                guard case .bytes(let count) = result else { break }
                rest = rest.dropFirst(count)
            }
            send(context: context, promise: promise)
        } catch {
            promise?.fail(error)
            context.fireErrorCaught(error)
        }
    }

    /// Moves pending ciphertext into the channel.
    private func send(context: ChannelHandlerContext, promise: EventLoopPromise<Void>? = nil) {
        let pending = connection.pendingOutput
        guard pending > 0 else {
            promise?.succeed()
            return
        }
        var buffer = context.channel.allocator.buffer(capacity: pending)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: pending) { connection.drain(into: $0) }
        context.write(wrapOutboundOut(buffer), promise: promise)
    }

    package func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if connection.isEstablished, !closed, mode != .input {
            _ = try? connection.sendCloseNotify()
            send(context: context)
            context.flush()
        }
        closed = mode != .input
        context.close(mode: mode, promise: promise)
    }

    package func channelInactive(context: ChannelHandlerContext) {
        if connection.isEstablished, !sawCloseNotify, !closed {
            context.fireErrorCaught(TLSError(.truncated, "the peer closed the connection without close_notify"))
        }
        for (_, promise) in waiting { promise?.fail(ChannelError.ioOnClosedChannel) }
        waiting = []
        context.fireChannelInactive()
    }
}
