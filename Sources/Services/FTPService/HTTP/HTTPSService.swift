import NIOCore
import NIOPosix
import Synchronization
package import SystemSupport
package import TLSEngine
package import Tobj

/// Downloads over HTTP/1.1 and HTTP/2 of one worker, on two threads: our own loop has the handshakes and HTTP/1.1, an
/// event loop of SwiftNIO's HTTP/2.
///
/// Connections stand in the same ``Ledger`` as FTP sessions. Each thread has its own ``DownloadDesk`` with accounts and log.
/// Disk reads that may wait run on a small pool, so that a cold file holds up no other customer.
///
/// No tasks here: libdispatch, which runs them on Linux, watches its threads through /proc and ends the process when a
/// confined worker cannot open it.
package final class HTTPSService: Sendable {
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let pool = NIOThreadPool(numberOfThreads: 2)
    /// Our loop, and what lives on it.
    private let mailbox: Mailbox
    private let sockets: Handoff<DownloadDesk>
    /// SwiftNIO's.
    private let channels: NIOLoopBound<DownloadDesk>
    private let population = Population()
    private let tls: Mutex<TLSContext>

    /// - Parameters:
    ///   - worker: the worker's number, for the names of sessions.
    ///   - area: the account area, owned by this service from now on.
    ///   - tls: a context whose protocols are `h2` and `http/1.1`.
    ///   - log: where transfers go; used on this service's threads alone.
    ///   - listings: shared with the FTP side.
    package init(
        worker: Int, settings: HTTPSSettings, area: consuming Descriptor, tls: TLSContext,
        ledger: Ledger, recorder: Recorder? = nil,
        log: sending WorkerLog, listings: ListingCache = ListingCache()
    ) throws {
        pool.start()
        self.tls = Mutex(tls)
        let (pool, population) = (pool, population)
        let loop = group.next()
        let second = Handoff((ServedAccounts(area: try area.duplicate()), log.another()))
        channels = try loop.submit {
            let (accounts, log) = second.value
            let desk = DownloadDesk(
                worker: worker, settings: settings, accounts: accounts, ledger: ledger,
                recorder: recorder, log: log,
                listings: listings,
                population: population, loop: ChannelLoop(loop, pool))
            let bound = NIOLoopBound(desk, eventLoop: loop)
            loop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in
                bound.value.everySecond()
            }
            return bound
        }.wait()
        let parts = Handoff((ServedAccounts(area: area), log))
        (mailbox, sockets) = try Self.start { loop in
            let (accounts, log) = parts.value
            return DownloadDesk(
                worker: worker, settings: settings, accounts: accounts, ledger: ledger,
                recorder: recorder, log: log,
                listings: listings,
                population: population, loop: SocketLoop(loop, pool))
        }
    }

    /// Starts the thread of our loop; `make` is called on it.
    private static func start(
        _ make: @escaping @Sendable (PollLoop) -> DownloadDesk
    ) throws -> (Mailbox, Handoff<DownloadDesk>) {
        let started = Monitor<Result<(Mailbox, Handoff<DownloadDesk>), SystemError>?>(nil)
        let thread = try SystemThread(name: "https") {
            let loop: PollLoop
            do throws(SystemError) { loop = try PollLoop() } catch {
                return started.withLock(wake: .all) { $0 = .failure(error) }
            }
            let desk = make(loop)
            loop.everySecond = { desk.everySecond() }
            let parts = (loop.mailbox, Handoff(desk))
            started.withLock(wake: .all) { $0 = .success(parts) }
            do { try loop.run() } catch { preconditionFailure("epoll_wait failed: \(error)") }
            (loop.everySecond, loop.beforeSleep) = ({}, {})
        }
        thread.detach()
        return try started.wait { $0 }.get()
    }

    /// Serves an accepted connection. Accepting is ``Acceptor``'s: all workers share the listener.
    package func serve(_ socket: consuming Descriptor, from peer: TCPAddress) {
        let number = socket.release()
        mailbox.post { [self] loop in
            let stream = ByteStream(Descriptor(owning: number))
            let desk = sockets.value
            guard let connection = desk.admit(from: peer.endpoint) else { return }
            let served = HTTP1Connection(stream, connection, desk: desk, loop: loop) { [self] in
                adopt($0, $1, $2)
            }
            served.start(tls: tls.withLock { $0 })
        }
    }

    /// A connection that agreed on HTTP/2 goes over to SwiftNIO.
    private func adopt(_ socket: Int32, _ tls: TLSConnection, _ connection: HTTPSConnection) {
        let parts = Handoff((tls, connection))
        group.next().execute { [self] in
            let (tls, connection) = parts.value
            let desk = channels.value
            desk.adopt(connection)
            let setup = NIOLoopBound(
                ConnectionSetup(desk: desk, connection: connection, tls: tls), eventLoop: group.next())
            ClientBootstrap(group: group)
                .channelOption(.writeBufferWaterMark, value: .init(low: 128 << 10, high: 512 << 10))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture { try setup.value.begin(channel) }
                }
                .withConnectedSocket(socket)
                .whenFailure { _ in setup.value.desk.left(setup.value.connection) }
        }
    }

    /// Does `body` at both desks, each on its thread.
    private func atBoth(_ body: @escaping @Sendable (DownloadDesk) -> Void) {
        let (sockets, channels) = (sockets, channels)
        mailbox.post { _ in body(sockets.value) }
        group.next().execute { body(channels.value) }
    }

    /// New settings and certificates, for connections that come from now on.
    package func reload(settings: HTTPSSettings, tls context: TLSContext) {
        tls.withLock { $0 = context }
        atBoth { $0.settings = settings }
    }

    /// The transfer log as it is from now on (``WorkerLog/reopen(_:)``).
    package func reopen(transferLog: LentDescriptor?) { atBoth { $0.log.reopen(transferLog) } }

    /// Whether new connections are turned away.
    package func hold(_ on: Bool) { atBoth { $0.isHolding = on } }

    /// What `ffsctl ftp` asks (``Worker/answer(_:)``); answered on one of this service's threads.
    package func ask(_ question: Element, _ completion: @escaping @Sendable (Element) -> Void) {
        let (sockets, channels) = (sockets, channels)
        mailbox.post { [group] _ in
            let first = sockets.value.answer(question)
            group.next().execute {
                completion(WorkerAnswer.merged(question, [first, channels.value.answer(question)]))
            }
        }
    }

    /// Answers that are under way are finished, then their connections close. `whenEmpty` is called on one of this
    /// service's threads once the last has.
    package func drain(whenEmpty: @escaping @Sendable () -> Void) {
        let (sockets, channels, population) = (sockets, channels, population)
        mailbox.post { [group] _ in
            sockets.value.drain()
            group.next().execute {
                channels.value.drain()
                population.whenEmpty(whenEmpty)
            }
        }
    }

    /// Connections there are.
    package func connectionCount() async -> Int {
        let (sockets, channels) = (sockets, channels)
        let first = await withCheckedContinuation { answer in
            mailbox.post { _ in answer.resume(returning: sockets.value.connectionCount) }
        }
        return first + ((try? await group.next().submit { channels.value.connectionCount }.get()) ?? 0)
    }

    /// Cuts what is left and ends the threads.
    package func stop() async {
        let (sockets, channels) = (sockets, channels)
        await withCheckedContinuation { done in
            mailbox.post { loop in
                sockets.value.cut()
                sockets.value.log.flush()
                loop.stop()
                done.resume()
            }
        }
        try? await group.next().submit { channels.value.cut() }.get()
        try? await group.shutdownGracefully()
        try? await pool.shutdownGracefully()
    }
}
