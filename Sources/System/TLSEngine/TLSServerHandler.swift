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
    /// Written and not yet flushed, or waiting for the handshake.
    private var waiting: [(ByteBuffer, EventLoopPromise<Void>?)] = []
    private var closed = false
    private var sawCloseNotify = false
    /// Payload of a TLS record.
    private static let record = 16_384

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
        encrypt(context: context)
        context.flush()
    }

    /// Decrypts what has arrived, record by record.
    private func deliver(context: ChannelHandlerContext) throws {
        var ended = false
        while !closed, !ended {
            let size = min(connection.pendingInput, Self.record)
            // Nothing has come since OpenSSL asked for more.
            guard size > 0 else { break }
            var plain = context.channel.allocator.buffer(capacity: size)
            let count = try plain.writeWithUnsafeMutableBytes(minimumWritableBytes: size) { space in
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
        waiting.append((unwrapOutboundIn(data), promise))
    }

    package func flush(context: ChannelHandlerContext) {
        if connection.isEstablished { encrypt(context: context) }
        context.flush()
    }

    /// All that was written since the last time as one stretch of whole records: a frame's head and its content, or the
    /// answers on several streams, cost one record and one write(2).
    private func encrypt(context: ChannelHandlerContext) {
        guard !waiting.isEmpty else { return }
        let written = waiting
        waiting.removeAll(keepingCapacity: true)
        let promise = Self.joined(written.compactMap(\.1))
        do {
            if written.count == 1 {
                try written[0].0.withUnsafeReadableBytes { try encrypt($0) }
            } else {
                var gathered: [UInt8] = []
                gathered.reserveCapacity(min(Self.record, written.reduce(0) { $0 + $1.0.readableBytes }))
                for (buffer, _) in written {
                    try buffer.withUnsafeReadableBytes { try gather($0, in: &gathered) }
                }
                try gathered.withUnsafeBytes { try encrypt($0) }
            }
            send(context: context, promise: promise)
        } catch {
            promise?.fail(error)
            context.fireErrorCaught(error)
        }
    }

    /// Whole records go out, the rest stays in `gathered`.
    private func gather(_ bytes: UnsafeRawBufferPointer, in gathered: inout [UInt8]) throws {
        var rest = bytes[...]
        while gathered.count + rest.count >= Self.record {
            let part = rest.prefix(Self.record - gathered.count)
            if gathered.isEmpty {
                try encrypt(UnsafeRawBufferPointer(rebasing: part))
            } else {
                gathered.append(contentsOf: part)
                try gathered.withUnsafeBytes { try encrypt($0) }
                gathered.removeAll(keepingCapacity: true)
            }
            rest = rest.dropFirst(part.count)
        }
        gathered.append(contentsOf: rest)
    }

    private func encrypt(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while !rest.isEmpty {
            guard case .bytes(let count) = try connection.write(rest) else { return }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    /// One promise that keeps them all.
    private static func joined(_ promises: [EventLoopPromise<Void>]) -> EventLoopPromise<Void>? {
        guard let first = promises.first, promises.count > 1 else { return promises.first }
        let all = first.futureResult.eventLoop.makePromise(of: Void.self)
        for promise in promises { all.futureResult.cascade(to: promise) }
        return all
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
            encrypt(context: context)
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
