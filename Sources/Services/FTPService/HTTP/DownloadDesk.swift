import Events
import FFSModel
import FTPProtocol
import HTTPDownload
import Logging
import NIOCore
import NIOPosix
import Requests
import StoredFormats
import SystemSupport
import TLSEngine
import Tobj

/// What all downloads of one worker's HTTPS side share. Lives on its event loop.
final class DownloadDesk {
    var settings: HTTPSSettings
    let accounts: ServedAccounts
    let ledger: Ledger
    let log: WorkerLog
    let pool: NIOThreadPool
    private let worker: Int
    private let loop: any NIOCore.EventLoop
    private var connections: [ObjectIdentifier: HTTPSConnection] = [:]
    private var lastName = 0
    /// Connections that are there only to be told why they are turned away.
    private var turnedAway = 0
    private(set) var isDraining = false
    var isHolding = false
    private var whenEmpty: () -> Void = {}
    private(set) var time = SystemClock.now()
    /// FTP's as well.
    let listings: ListingCache
    /// Whether what was recorded is to be written at the end of this turn of the loop.
    private var willFlush = false
    /// For the field of that name.
    private(set) var date = ""
    /// Fields of every answer, as HTTP/1.1 has them.
    private(set) var commonFields = ""

    /// Beyond this many, connections are closed silently: they may be an attack.
    private static let mostTurnedAway = 256

    init(
        worker: Int, settings: HTTPSSettings, accounts: ServedAccounts, ledger: Ledger, log: WorkerLog,
        listings: ListingCache, pool: NIOThreadPool, loop: any NIOCore.EventLoop
    ) {
        self.worker = worker
        self.settings = settings
        self.accounts = accounts
        self.ledger = ledger
        self.log = log
        self.listings = listings
        self.pool = pool
        self.loop = loop
        tellTime()
        let me = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleRepeatedTask(initialDelay: .seconds(1), delay: .seconds(1)) { _ in me.value.everySecond() }
    }

    /// Fields of every answer but `date`.
    static let constantFields = [
        ("server", "FFS"), ("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"),
        ("strict-transport-security", "max-age=31536000"),
    ]
    private static let constantText = constantFields.map { "\($0): \($1)\r\n" }.joined()

    private func tellTime() {
        time = SystemClock.now()
        date = HTTPDate.format(time)
        commonFields = "\(Self.constantText)date: \(date)\r\n"
    }

    private func everySecond() {
        tellTime()
        accounts.watch(now: time, second: SystemClock.monotonic() / 1_000_000_000)
        for connection in connections.values {
            if isDraining, connection.isFinished { connection.channel.close(promise: nil) }
            connection.endIfIdle(settings)
            for answer in connection.answers { answer.checkAccount(now: time) }
        }
    }

    // MARK: Connections

    var connectionCount: Int { connections.count - turnedAway }

    /// The connection, which may be one that is only told why it is turned away; nil: close it.
    func admit(_ channel: any NIOCore.Channel, from peer: Endpoint) -> HTTPSConnection? {
        let refusal = isDraining || isHolding ? .draining : ledger.admit(peer.address, settings.limits)
        if let refusal {
            ledger.count(refusal)
            log.logger.notice(
                "connection refused", metadata: ["peer": "\(peer)", "limit": "\(refusal)", "service": "https"])
            guard turnedAway < Self.mostTurnedAway else { return nil }
            turnedAway += 1
        } else {
            ledger.count(.httpsSessions)
        }
        lastName += 1
        let connection = HTTPSConnection(
            name: "\(worker)-h\(lastName)", peer: peer, channel: channel, refusal: refusal, ledger: ledger)
        connections[ObjectIdentifier(connection)] = connection
        let parts = NIOLoopBound((self, connection), eventLoop: loop)
        channel.closeFuture.whenComplete { _ in
            let (me, connection) = parts.value
            me.left(connection)
        }
        return connection
    }

    private func left(_ connection: HTTPSConnection) {
        connections[ObjectIdentifier(connection)] = nil
        if connection.refusal == nil {
            ledger.left(connection.peer.address)
            ledger.count(.httpsSessions, by: -1)
        } else {
            turnedAway -= 1
        }
        guard isDraining, connections.isEmpty else { return }
        log.flush()
        whenEmpty()
    }

    /// Connections that had their answers end now, the others after their last one.
    func drain(_ whenEmpty: @escaping () -> Void) {
        isDraining = true
        self.whenEmpty = whenEmpty
        guard !connections.isEmpty else { return whenEmpty() }
        for connection in connections.values {
            connection.sayGoodbye?()
            if connection.isFinished { connection.channel.close(promise: nil) }
        }
    }

    /// Ends all connections at once.
    func cut() { for connection in connections.values { connection.cut() } }

    // MARK: Log

    /// One transfer for both logs, written with the others of this turn of the loop.
    func record(_ event: TransferEvent) {
        log.record(event)
        guard !willFlush else { return }
        willFlush = true
        let me = NIOLoopBound(self, eventLoop: loop)
        loop.execute {
            me.value.willFlush = false
            me.value.log.flush()
        }
    }

    // MARK: Operators

    /// As ``Worker/answer(_:)``, of the connections here.
    func answer(_ question: Element) -> Element {
        let mine = connections.values.filter { $0.refusal == nil }
        if let who = WorkerAnswer.who(question) {
            return Element("sessions", children: who.page(of: mine).body)
        }
        switch question.name {
        case "kick":
            let session = question.attribute("session").map { String(decoding: $0, as: UTF8.self) }
            let account = question.attribute("account").flatMap { try? AccountID(bytes: $0) }
            let kicked = mine.filter { $0.name == session || account.map($0.uses) == true }
            for connection in kicked {
                log.logger.notice("kicked", metadata: connection.metadata())
                connection.cut()
            }
            return Element("kicked", text: "\(kicked.count)")
        default: return Element("unknown")
        }
    }
}
