import NIOCore
import NIOPosix
import Synchronization
package import SystemSupport
package import TLSEngine
package import Tobj

/// Downloads over HTTP/1.1 and HTTP/2 of one worker: one event loop of SwiftNIO on a thread of its own.
///
/// Connections stand in the same ``Ledger`` as FTP sessions. Accounts and log belong to that loop. Disk reads that may
/// wait run on a small pool, so that a cold file holds up no other customer.
///
/// No tasks here: libdispatch, which runs them on Linux, watches its threads through /proc and ends the process when a
/// confined worker cannot open it.
package final class HTTPSService: Sendable {
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let pool = NIOThreadPool(numberOfThreads: 2)
    private let desk: NIOLoopBound<DownloadDesk>
    private let tls: Mutex<TLSContext>

    /// - Parameters:
    ///   - worker: the worker's number, for the names of sessions.
    ///   - area: the account area, owned by this service from now on.
    ///   - tls: a context whose protocols are `h2` and `http/1.1`.
    ///   - log: where transfers go; used on this service's thread alone.
    ///   - listings: shared with the FTP side.
    package init(
        worker: Int, settings: HTTPSSettings, area: consuming Descriptor, tls: TLSContext, ledger: Ledger,
        log: sending WorkerLog, listings: ListingCache = ListingCache()
    ) throws {
        pool.start()
        self.tls = Mutex(tls)
        let loop = group.next()
        let parts = Handoff((ServedAccounts(area: area), log))
        let pool = pool
        desk = try loop.submit {
            let (accounts, log) = parts.value
            return NIOLoopBound(
                DownloadDesk(
                    worker: worker, settings: settings, accounts: accounts, ledger: ledger, log: log,
                    listings: listings, pool: pool, loop: loop), eventLoop: loop)
        }.wait()
    }

    /// Serves an accepted connection. Accepting is ``Acceptor``'s: all workers share the listener, and SwiftNIO takes it
    /// for a defect when another process was quicker.
    package func serve(_ socket: consuming Descriptor, from peer: TCPAddress) {
        socket.set(.noDelay(true))
        socket.set(.keepAlive)
        let desk = desk
        _ = ClientBootstrap(group: group)
            .channelOption(.writeBufferWaterMark, value: .init(low: 128 << 10, high: 512 << 10))
            .channelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    let setup = ConnectionSetup(desk: desk.value, tls: tls.withLock { $0 })
                    try setup.begin(channel, from: peer.endpoint)
                }
            }
            .withConnectedSocket(socket.release())
    }

    /// New settings and certificates, for connections that come from now on.
    package func reload(settings: HTTPSSettings, tls context: TLSContext) {
        tls.withLock { $0 = context }
        let desk = desk
        group.next().execute { desk.value.settings = settings }
    }

    /// The transfer log as it is from now on (``WorkerLog/reopen(_:)``).
    package func reopen(transferLog: LentDescriptor?) {
        let desk = desk
        group.next().execute { desk.value.log.reopen(transferLog) }
    }

    /// Whether new connections are turned away.
    package func hold(_ on: Bool) {
        let desk = desk
        group.next().execute { desk.value.isHolding = on }
    }

    /// What `ffsctl ftp` asks (``Worker/answer(_:)``); answered on this service's thread.
    package func ask(_ question: Element, _ completion: @escaping @Sendable (Element) -> Void) {
        let desk = desk
        group.next().execute { completion(desk.value.answer(question)) }
    }

    /// Answers that are under way are finished, then their connections close. `whenEmpty` is called on this service's
    /// thread once the last has.
    package func drain(whenEmpty: @escaping @Sendable () -> Void) {
        let desk = desk
        group.next().execute { desk.value.drain(whenEmpty) }
    }

    /// Connections there are.
    package func connectionCount() async -> Int {
        let desk = desk
        return (try? await group.next().submit { desk.value.connectionCount }.get()) ?? 0
    }

    /// Cuts what is left and ends the threads.
    package func stop() async {
        let desk = desk
        try? await group.next().submit { desk.value.cut() }.get()
        try? await group.shutdownGracefully()
        try? await pool.shutdownGracefully()
    }
}
