import Commlink
package import FFSModel
package import Logging
import NIOCore
package import Requests
import Synchronization
package import Tobj

/// Sends requests to the daemon at the other end of a link: a connection for each port of its range, made when first
/// needed, each carrying many requests at once.
///
/// A request moves to another port when its connection fails. That is safe because the server remembers request ids:
/// what it has done already it does not do twice.
package final class CommlinkClient: RequestTransport {
    private let link: Link
    private let host: String
    private let ports: ClosedRange<Int>
    private let bags: KeyBagStore
    private let settings: CommlinkSettings
    private let logger: Logger
    private let pool: Mutex<Pool>

    private enum Slot {
        case idle
        case connecting(EventLoopFuture<ClientLink>)
        case open(ClientLink)
        /// Not tried again before that moment unless every port has failed.
        case failed(until: NIODeadline)
    }

    private struct Pool {
        var slots: [Slot]
        var turn = 0
        var isClosed = false
    }

    /// How long a port that failed is left alone.
    private static let pause = TimeAmount.seconds(1)

    package init(
        link: Link, host: String, ports: ClosedRange<Int>, bags: KeyBagStore, settings: CommlinkSettings,
        logger: Logger
    ) {
        self.link = link
        self.host = host
        self.ports = ports
        self.bags = bags
        self.settings = settings
        var logger = logger
        logger[metadataKey: "link"] = "\(link.rawValue)"
        self.logger = logger
        pool = Mutex(Pool(slots: ports.map { _ in .idle }))
    }

    /// Throws `unreachable` when no port brought a reply, `bad-request` for a document over the size limit.
    package func exchange(_ request: Document) async throws(Failure) -> Document {
        let bytes = request.serialized()
        guard bytes.count <= settings.documentSize else {
            throw Failure(
                .badRequest,
                "the request has \(bytes.count) bytes, more than commlink.document-size (\(settings.documentSize)) allows"
            )
        }
        let timeout = self.timeout(of: request)
        let deadline = NIODeadline.now() + .seconds(Int64(timeout))
        var refusals = 0
        var silences = 0
        var last = LinkFailure.timeout
        // Every port once, and as often again for connections that were closed under the request.
        for _ in 0..<(2 * ports.count + 2) where NIODeadline.now() < deadline {
            let index: Int
            let future: EventLoopFuture<ClientLink>?
            var link: ClientLink?
            (index, link, future) = try pick(size: bytes.count)
            do {
                if let future { link = try await opened(future, index) }
                guard let link else { continue }
                return try await link.exchange(bytes, id: request.id, deadline: deadline)
            } catch {
                last = error
                switch error {
                case .cancelled: throw Failure(.internal, "the request was cancelled")
                case .timeout where link != nil: throw unreachable(error, timeout)
                case .refused:
                    refusals += 1
                    // Every port has the same keys; one more try in case they were being rotated.
                    if refusals == 2 { throw unreachable(error, timeout) }
                case .silent:
                    // Each costs commlink.hello-timeout, and the other ports are on the same host.
                    silences += 1
                    if silences == 2 { throw unreachable(error, timeout) }
                case .connect where allHaveFailed(): throw unreachable(error, timeout)
                case .connect, .turnedAway, .lost, .timeout: break
                }
            }
        }
        throw unreachable(last, timeout)
    }

    /// Seconds until the caller gives up on `request`.
    private func timeout(of request: Document) -> Int {
        let usual = RequestType(rawValue: request.type)?.row.timeout ?? RequestType.ping.row.timeout
        return min(usual, settings.patience ?? usual)
    }

    /// Says close on every connection once its replies are in, and waits for that.
    package func close() async {
        let links = pool.withLock { pool in
            pool.isClosed = true
            defer { pool.slots = ports.map { _ in .idle } }
            return pool.slots.compactMap { slot -> ClientLink? in if case .open(let link) = slot { link } else { nil } }
        }
        for link in links { link.retire() }
        for link in links { await link.ended() }
    }

    // MARK: Pool

    /// The next port's connection: open, or being opened.
    private func pick(size: Int) throws(Failure) -> (Int, ClientLink?, EventLoopFuture<ClientLink>?) {
        let bag = try bags.offered()
        let now = NIODeadline.now()
        var retired: [ClientLink] = []
        defer { for link in retired { link.retire() } }
        let choice = pool.withLock { pool -> (Int, ClientLink?, EventLoopFuture<ClientLink>?)? in
            guard !pool.isClosed else { return nil }
            let start = pool.turn
            pool.turn = (pool.turn + 1) % pool.slots.count
            var rested: (index: Int, until: NIODeadline)?
            for offset in pool.slots.indices {
                let index = (start + offset) % pool.slots.count
                switch pool.slots[index] {
                case .open(let link) where link.bag == bag.id && link.mayCarry(size): return (index, link, nil)
                case .open(let link): retired.append(link)
                case .connecting(let future): return (index, nil, future)
                case .failed(let until) where until > now:
                    if rested.map({ until < $0.until }) ?? true { rested = (index, until) }
                    continue
                case .failed, .idle: break
                }
                return (index, nil, connect(&pool, index, bag))
            }
            // Every port failed a moment ago: try the one that has rested longest.
            let index = rested?.index ?? start
            return (index, nil, connect(&pool, index, bag))
        }
        guard let choice else { throw Failure(.draining, "this process is stopping") }
        return choice
    }

    private func connect(_ pool: inout Pool, _ index: Int, _ bag: KeyBag) -> EventLoopFuture<ClientLink> {
        let future = ClientLink.open(host: host, port: ports.lowerBound + index, bag: bag, settings: settings)
        pool.slots[index] = .connecting(future)
        future.whenComplete { [self] (result: Result<ClientLink, any Error>) in
            let stray = self.pool.withLock { pool -> ClientLink? in
                if pool.isClosed {
                    return try? result.get()
                }
                switch result {
                case .success(let link): pool.slots[index] = .open(link)
                case .failure: pool.slots[index] = .failed(until: .now() + Self.pause)
                }
                return nil
            }
            stray?.retire()
            if case .failure(let error) = result {
                logger.warning(
                    "port failed",
                    metadata: ["peer": "\(host):\(ports.lowerBound + index)", "reason": "\(error)"])
            }
        }
        return future
    }

    private func opened(_ future: EventLoopFuture<ClientLink>, _ index: Int) async throws(LinkFailure) -> ClientLink {
        do { return try await future.get() } catch let failure as LinkFailure { throw failure } catch {
            throw .connect(reason(of: error))
        }
    }

    private func allHaveFailed() -> Bool {
        pool.withLock { pool in
            pool.slots.allSatisfy { if case .failed = $0 { true } else { false } }
        }
    }

    // MARK: Errors

    private func unreachable(_ failure: LinkFailure, _ timeout: Int) -> Failure {
        let place = "\(host) ports \(ports.lowerBound)-\(ports.upperBound) (\(link.rawValue) link)"
        switch failure {
        case .connect(let cause):
            return Failure(
                .unreachable,
                "nothing answers at \(place); start the daemon there, or correct its address and base port",
                cause: cause)
        case .silent:
            return Failure(
                .unreachable,
                "\(place) neither answers nor refuses: the host is down, a firewall drops the packets, or the daemon hangs"
            )
        case .refused:
            return Failure(
                .unreachable,
                "\(place) refused the handshake with key bag \(bags.bags.current.map { "\($0.id)" } ?? "-"): compare the bags of both hosts "
                    + "(ffsctl keys show \(link.rawValue)); if they are the same, a NAT between the hosts rewrites "
                    + "ports, which needs commlink.port-check announced at the server")
        case .turnedAway:
            return Failure(
                .unreachable,
                "\(place) hangs up before the handshake: it has as many connections as it may (commlink.connections), or "
                    + "is stopping; see the daemon's log")
        case .lost(let cause):
            return Failure(
                .unreachable, "the connections to \(place) end before the reply; see the daemon's log", cause: cause)
        case .timeout, .cancelled:
            return Failure(
                .unreachable, "\(place) did not answer within \(timeout) s; see the daemon's log")
        }
    }
}
