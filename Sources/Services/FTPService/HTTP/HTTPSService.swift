import NIOCore
import NIOHTTP1
import NIOHTTP2
import NIOPosix
import Synchronization
package import SystemSupport
package import TLSEngine

/// Bounds of the HTTPS side, out of ``FTPSettings``; both sides share the options (ffs.yaml(5), group `ftp`).
package struct HTTPSSettings: Sendable {
    package var sessions = 20_000
    package var sessionsPerAddress = 1_000
    package var sessionsPerAccount = 200
    /// Seconds from accept(2) to the end of the TLS handshake.
    package var handshakeTimeout = 15
    /// Seconds without a request, and without the client taking a byte of an answer.
    package var idleTimeout = 60
    package var stallTimeout = 120

    package init() {}
}

/// Downloads over HTTP/1.1 and HTTP/2 of one worker: one event loop of SwiftNIO on a thread of its own.
///
/// Accounts, limits and log belong to that loop. Disk reads that may wait run on a small pool, so that a cold file holds
/// up no other customer.
///
/// No tasks here: libdispatch, which runs them on Linux, watches its threads through /proc and ends the process when a
/// confined worker cannot open it.
package final class HTTPSService: Sendable {
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let pool = NIOThreadPool(numberOfThreads: 2)
    private let desk: NIOLoopBound<DownloadDesk>
    private let tls: Mutex<TLSContext>
    private let listener = Mutex<(any NIOCore.Channel)?>(nil)

    /// - Parameters:
    ///   - area: the account area, owned by this service from now on.
    ///   - tls: a context whose protocols are `h2` and `http/1.1`.
    ///   - log: where transfers go; used on this service's thread alone.
    package init(
        settings: HTTPSSettings, area: consuming Descriptor, tls: TLSContext, log: sending WorkerLog
    ) throws {
        pool.start()
        self.tls = Mutex(tls)
        let loop = group.next()
        let parts = Handoff((AccountStore(area: area), log))
        let pool = pool
        desk = try loop.submit {
            let (accounts, log) = parts.value
            return NIOLoopBound(
                DownloadDesk(settings: settings, accounts: accounts, log: log, pool: pool, loop: loop), eventLoop: loop)
        }.wait()
    }

    /// Accepts on a bound, listening socket, which may be shared with other workers; owned by this service from now on.
    package func start(listener descriptor: consuming Descriptor) throws {
        let desk = desk
        let channel = try ServerBootstrap(group: group)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 128 << 10, high: 512 << 10))
            .childChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    guard desk.value.admit(channel) else { throw ChannelError.ioOnClosedChannel }
                    let connection = try TLSConnection(.server, context: tls.withLock { $0 })
                    try channel.pipeline.syncOperations.addHandlers([
                        TLSServerHandler(connection: connection), ProtocolChooser(desk: desk.value),
                    ])
                }
            }
            .withBoundSocket(descriptor.release())
            .wait()
        listener.withLock { $0 = channel }
    }

    /// A new certificate, for connections that come from now on.
    package func reload(tls context: TLSContext) { tls.withLock { $0 = context } }

    /// Accepts no more; answers that are under way are finished, then their connections close. `whenEmpty` is called
    /// on this service's thread once the last has.
    package func drain(whenEmpty: @escaping @Sendable () -> Void) {
        listener.withLock { $0 }?.close(promise: nil)
        let desk = desk
        group.next().execute { desk.value.drain(whenEmpty) }
    }

    /// Connections there are.
    package func connectionCount() async -> Int {
        let desk = desk
        return (try? await group.next().submit { desk.value.connections }.get()) ?? 0
    }

    /// Cuts what is left and ends the threads.
    package func stop() async {
        try? await group.shutdownGracefully()
        try? await pool.shutdownGracefully()
    }
}

/// Waits for the handshake, then sets the pipeline up for what ALPN agreed.
private final class ProtocolChooser: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let desk: DownloadDesk
    private var deadline: Scheduled<Void>?

    init(desk: DownloadDesk) { self.desk = desk }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        deadline = context.eventLoop.scheduleTask(in: .seconds(Int64(desk.settings.handshakeTimeout))) {
            channel.close(promise: nil)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let handshake = event as? TLSHandshakeCompleted else {
            return context.fireUserInboundEventTriggered(event)
        }
        deadline?.cancel()
        do {
            if handshake.applicationProtocol == "h2" {
                try configureHTTP2(context.channel, handshake)
            } else {
                try configureHTTP1(context.channel, handshake)
            }
        } catch { context.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func configureHTTP1(_ channel: any NIOCore.Channel, _ handshake: TLSHandshakeCompleted) throws {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(idleHandler())
        try pipeline.configureHTTPServerPipeline(withErrorHandling: true)
        try pipeline.addHandler(
            DownloadHandler(desk: desk, connection: channel, handshake: handshake, closesWhenDone: true))
    }

    private func configureHTTP2(_ channel: any NIOCore.Channel, _ handshake: TLSHandshakeCompleted) throws {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(idleHandler())
        var connection = NIOHTTP2Handler.ConnectionConfiguration()
        connection.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: 100),
            HTTP2Setting(parameter: .maxHeaderListSize, value: 32_768),
        ]
        let desk = NIOLoopBound(desk, eventLoop: channel.eventLoop)
        _ = try pipeline.configureHTTP2Pipeline(
            mode: .server, connectionConfiguration: connection, streamConfiguration: .init()
        ) { stream in
            stream.eventLoop.makeCompletedFuture {
                try stream.pipeline.syncOperations.addHandlers([
                    HTTP2FramePayloadToHTTP1ServerCodec(),
                    DownloadHandler(desk: desk.value, connection: channel, handshake: handshake, closesWhenDone: false),
                ])
            }
        }
    }

    private func idleHandler() -> IdleCloser { IdleCloser(desk: desk) }
}

/// Closes a connection on which nothing moves: between requests after the idle time, within an answer after the longer
/// stall time.
private final class IdleCloser: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    private let desk: DownloadDesk
    private var last = NIODeadline.now()
    private var writing = 0
    private var timer: RepeatedTask?

    init(desk: DownloadDesk) { self.desk = desk }

    func handlerAdded(context: ChannelHandlerContext) {
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        let channel = context.channel
        timer = context.eventLoop.scheduleRepeatedTask(initialDelay: .seconds(5), delay: .seconds(5)) { _ in
            me.value.check(channel)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    private func check(_ channel: any NIOCore.Channel) {
        let limit = writing > 0 ? desk.settings.stallTimeout : desk.settings.idleTimeout
        if NIODeadline.now() - last > .seconds(Int64(limit)) { channel.close(promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        last = .now()
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        writing += 1
        let promise = promise ?? context.eventLoop.makePromise()
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        promise.futureResult.whenComplete { _ in
            me.value.writing -= 1
            me.value.last = .now()
        }
        context.write(data, promise: promise)
    }
}
