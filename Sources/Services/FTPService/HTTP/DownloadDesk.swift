import Events
import FFSModel
import FTPProtocol
import HTTPDownload
import Logging
import Requests
import StoredFormats
import Synchronization
import SystemSupport
import Tobj

/// What all downloads on one loop of a worker's HTTPS side share: there is one for HTTP/1.1 and one for HTTP/2.
final class DownloadDesk {
    var settings: HTTPSSettings
    let accounts: ServedAccounts
    let ledger: Ledger
    /// nil: nothing is recorded.
    let recorder: Recorder?
    let log: WorkerLog
    let loop: any AnswerLoop
    private let worker: Int
    private var connections: [ObjectIdentifier: HTTPSConnection] = [:]
    private var lastName = 0
    /// Connections that are there only to be told why they are turned away.
    private var turnedAway = 0
    private(set) var isDraining = false
    var isHolding = false
    private let population: Population
    private(set) var time = SystemClock.now()
    /// FTP's as well.
    let listings: ListingCache
    var recent = RecentFiles()
    /// What connections read into; its content is consumed before the next one reads.
    let readSpace = UnsafeMutableRawBufferPointer.allocate(byteCount: 16_384, alignment: 16)
    /// Whether what was recorded is to be written at the end of this turn of the loop.
    private var willFlush = false
    /// For the field of that name.
    private(set) var date = ""
    /// Fields of every answer, as HTTP/1.1 has them.
    private(set) var commonFields: [UInt8] = []

    /// Beyond this many, connections are closed silently: they may be an attack.
    private static let mostTurnedAway = 256

    init(
        worker: Int, settings: HTTPSSettings, accounts: ServedAccounts, ledger: Ledger, recorder: Recorder?,
        log: WorkerLog, listings: ListingCache, population: Population, loop: any AnswerLoop
    ) {
        self.worker = worker
        self.settings = settings
        self.accounts = accounts
        self.ledger = ledger
        self.recorder = recorder
        self.log = log
        self.listings = listings
        self.population = population
        self.loop = loop
        tellTime()
    }

    deinit { readSpace.deallocate() }

    /// Fields of every answer but `date`.
    static let constantFields = [
        ("server", "FFS"), ("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"),
        ("strict-transport-security", "max-age=31536000"),
    ]
    private static let constantText = constantFields.map { "\($0): \($1)\r\n" }.joined()

    private func tellTime() {
        time = SystemClock.now()
        date = HTTPDate.format(time)
        commonFields = Array("\(Self.constantText)date: \(date)\r\n".utf8)
    }

    /// To be called by its loop.
    func everySecond() {
        tellTime()
        recent.forget(now: time)
        accounts.watch(now: time, second: SystemClock.monotonic() / 1_000_000_000)
        for connection in connections.values {
            if isDraining, connection.isFinished { connection.close() }
            connection.endIfIdle(settings)
            for answer in connection.answers {
                answer.countProgress()
                answer.checkAccount(now: time)
            }
        }
    }

    // MARK: Connections

    var connectionCount: Int { connections.count - turnedAway }

    /// The connection, which may be one that is only told why it is turned away; nil: close it.
    /// ``left(_:)`` or ``release(_:)`` must follow.
    func admit(from peer: Endpoint) -> HTTPSConnection? {
        let refusal = isDraining || isHolding ? .draining : ledger.admit(peer.address, settings.limits)
        if let refusal {
            ledger.count(refusal)
            log.logger.notice(
                "connection refused",
                metadata: ["peer": "\(peer)", "limit": "\(refusal)", "service": "https"])
            guard turnedAway < Self.mostTurnedAway else { return nil }
            turnedAway += 1
        } else {
            ledger.count(.httpsSessions)
        }
        lastName += 1
        let connection = HTTPSConnection(
            name: "\(worker)-h\(lastName)", peer: peer, refusal: refusal, ledger: ledger)
        connections[ObjectIdentifier(connection)] = connection
        population.came()
        return connection
    }

    /// Another desk serves it from now on.
    func release(_ connection: HTTPSConnection) {
        connection.end = nil
        connections[ObjectIdentifier(connection)] = nil
        if connection.refusal != nil { turnedAway -= 1 }
    }

    /// Serves a connection that another desk had admitted.
    func adopt(_ connection: HTTPSConnection) {
        connections[ObjectIdentifier(connection)] = connection
        if connection.refusal != nil { turnedAway += 1 }
    }

    /// It has ended. Nothing happens when that is known.
    func left(_ connection: HTTPSConnection) {
        connection.end = nil
        guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
        if connection.refusal == nil {
            ledger.left(connection.peer.address)
            ledger.count(.httpsSessions, by: -1)
        } else {
            turnedAway -= 1
        }
        if isDraining, connections.isEmpty { log.flush() }
        population.left()
    }

    /// Connections that had their answers end now, the others after their last one.
    func drain() {
        isDraining = true
        for connection in connections.values {
            connection.sayGoodbye?()
            if connection.isFinished { connection.close() }
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
        loop.soon { [self] in
            willFlush = false
            log.flush()
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

/// How many connections there are, whichever desk they are at: one on its way to the other counts as well.
final class Population: Sendable {
    private struct State {
        var count = 0
        var whenEmpty: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    func came() { state.withLock { $0.count += 1 } }

    func left() {
        let emptied = state.withLock { state in
            state.count -= 1
            return state.count == 0 ? state.whenEmpty.take() : nil
        }
        emptied?()
    }

    /// Calls `body` once nobody is left; at once when nobody is there.
    func whenEmpty(_ body: @escaping @Sendable () -> Void) {
        let isEmpty = state.withLock { state in
            if state.count > 0 { state.whenEmpty = body }
            return state.count == 0
        }
        if isEmpty { body() }
    }
}
