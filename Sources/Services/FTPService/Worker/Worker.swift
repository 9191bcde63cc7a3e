import FFSModel
import SystemSupport
package import TLSEngine

/// The heart of a worker process: what its control thread's sessions share. Confined before it is made.
package final class Worker {
    package let loop: PollLoop
    package private(set) var settings: FTPSettings
    package let accounts: ServedAccounts
    package let log: WorkerLog
    package private(set) var tls: WorkerTLS?
    let listings = ListingCache()
    package let signIns = SignInDesk()
    private let dataThreads: [DataThread]
    let congestionControl = CongestionControl()
    let passivePorts: PassivePorts
    /// What sessions read into; its content is consumed before the next session reads.
    let readSpace = UnsafeMutableRawBufferPointer.allocate(byteCount: 16_384, alignment: 16)
    /// Whole seconds of wall time, refreshed once a second: listings and expiry need no more.
    private(set) var time = SystemClock.now()
    /// No new sessions; those there end when they are idle.
    private(set) var isDraining = false
    /// An operator turns new sessions away.
    package var isHolding = false
    private(set) var sessionCount = 0
    /// Counts and rates over all workers.
    let ledger: Ledger
    /// nil: nothing is recorded.
    let recorder: Recorder?
    package var onIdle: () -> Void = {}

    private let index: Int
    private var lastSession = 0
    private lazy var round = SessionRound(self)

    package init(
        index: Int, loop: PollLoop, settings: FTPSettings, accounts: ServedAccounts, log: WorkerLog, tls: WorkerTLS?,
        dataThreads: [DataThread], ledger: Ledger, recorder: Recorder? = nil
    ) {
        self.ledger = ledger
        self.recorder = recorder
        self.index = index
        self.loop = loop
        self.settings = settings
        self.accounts = accounts
        self.log = log
        self.tls = tls
        self.dataThreads = dataThreads
        passivePorts = PassivePorts(
            settings.passivePorts, share: index, of: settings.workers, loop: loop, congestionControl)
        loop.beforeSleep = { [log] in log.flush() }
        loop.everySecond = { [unowned self] in everySecond() }
    }

    deinit { readSpace.deallocate() }

    /// New settings and certificates; for sessions that come from now on.
    package func reload(settings: FTPSettings, tls: WorkerTLS?) {
        self.settings = settings
        self.tls = tls
    }

    private func everySecond() {
        time = SystemClock.now()
        accounts.watch(now: time, second: loop.second)
        recorder?.countRefusals()
        round.begin()
    }

    /// What is looked at once a second.
    fileprivate func look(at session: ControlSession) {
        session.countProgress()
        if session.account?.ended != nil { session.accountEnded(now: time) }
        if isDraining { session.drain() }
    }

    // MARK: Sessions

    /// nil: let it in (and call ``left(_:)`` later). Otherwise which limit is reached.
    func admit(_ peer: TCPAddress) -> SessionLimits.Refusal? {
        let refusal = isDraining || isHolding ? .draining : ledger.admit(peer.ip, settings.limits)
        if let refusal {
            ledger.count(refusal)
            return refusal
        }
        ledger.count(.ftpSessions)
        sessionCount += 1
        return nil
    }

    func left(_ peer: TCPAddress) {
        ledger.left(peer.ip)
        ledger.count(.ftpSessions, by: -1)
        sessionCount -= 1
        if isDraining, sessionCount == 0 { onIdle() }
    }

    /// False when the account has as many sessions as it may.
    func signedIn(to account: Account) -> Bool {
        guard ledger.signedIn(to: account.id, settings.limits) else {
            ledger.count(.account)
            return false
        }
        ledger.count(.ftpSignIns)
        account.sessions += 1
        return true
    }

    func signedOut(of account: Account) {
        ledger.signedOut(of: account.id)
        account.sessions -= 1
    }

    /// Who tried too many wrong passwords.
    var lockOut: AccountLockOut { ledger.lockOut(settings.limits) }

    func nextSessionName() -> String {
        lastSession += 1
        return "\(index)-\(lastSession)"
    }

    /// The thread with the least to do.
    func leastLoadedDataThread() -> DataThread {
        dataThreads.min { $0.load < $1.load } ?? dataThreads[0]
    }

    /// Admits nobody any more; idle sessions end now, the others once they are.
    package func drain() {
        isDraining = true
        for session in loop.sources(of: ControlSession.self) { session.drain() }
        if sessionCount == 0 { onIdle() }
    }
}

/// The look at every session once a second, in slices: with ten thousand idle ones it would keep each command waiting that
/// comes meanwhile.
private final class SessionRound: PollLoop.Source {
    private unowned let worker: Worker
    private var place: Int?
    private static let slice = 256
    private static let pause: Int64 = 5_000_000

    init(_ worker: Worker) { self.worker = worker }

    /// Does nothing while the last one is still under way.
    func begin() {
        guard place == nil else { return }
        if !isRegistered { try? worker.loop.add(self, -1, []) }
        place = 0
        woken()
    }

    override func woken() {
        guard let start = place else { return }
        place = worker.loop.forEach(ControlSession.self, from: start, count: Self.slice) { worker.look(at: $0) }
        if place != nil { worker.loop.wake(self, after: Self.pause) }
    }
}

/// TLS contexts of a worker, made from the same certificates.
package struct WorkerTLS: Sendable {
    /// Control and data connections share one, so that a ticket of the first opens on the second.
    package let ftp: TLSContext
    package let https: TLSContext

    /// - Parameters:
    ///   - ticketKeys: the supervisor's, so that a client resumes at whichever worker it meets.
    ///   - sessions: for clients without tickets, whose data connections come to the same worker.
    package init(
        _ credentials: [TLSCredentials], ticketKeys: [TicketKey], sessions: TLSSessionCache
    ) throws(TLSError) {
        ftp = try TLSContext(
            server: credentials, protocols: ["ftp", "ftp-data"], ticketKeys: ticketKeys, sessions: sessions)
        https = try TLSContext(server: credentials, protocols: ["h2", "http/1.1"], ticketKeys: ticketKeys)
    }
}
