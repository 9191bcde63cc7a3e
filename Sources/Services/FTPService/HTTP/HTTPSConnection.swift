import FFSModel
import FTPProtocol
import Logging
import Requests
import SystemSupport
import TLSEngine

/// How the socket of a connection is closed.
protocol ConnectionEnd: AnyObject {
    /// Once the client has taken what was sent.
    func close()
    /// At once.
    func cut()
}

/// One TCP connection of the HTTPS side with the answers that run on it: what an FTP session is on the other side.
///
/// It counts for an account while an answer of that account runs on it; the streams of HTTP/2 count as one, and share
/// the rate of a session. Lives on one loop: ours, or after the handshake of an HTTP/2 connection SwiftNIO's.
final class HTTPSConnection: ListedSession {
    /// For log lines and `ffsctl ftp`: `<worker>-h<count>`.
    let name: String
    let peer: Endpoint
    var address: IPAddress { peer.address }
    /// nil while it changes loops, and in the end.
    var end: (any ConnectionEnd)?
    /// Why every request of it is refused; nil for one that is served.
    let refusal: SessionLimits.Refusal?
    let started = SystemClock.monotonic()
    /// `TLSv1.3 TLS_AES_128_GCM_SHA256`; nil before the handshake.
    private(set) var protection: String?
    private(set) var isResumed = false
    /// Wrong passwords and links so far.
    private var failures = 0
    /// After so many wrong passwords and links a connection is closed.
    private static let mostFailures = 5
    /// Has an HTTP/2 client told that no more streams are taken.
    var sayGoodbye: (() -> Void)?
    /// Whether it ends at once, whatever its client has still to read.
    private(set) var isCut = false
    /// Whether its client broke the rules: it gets a second to read what it was told.
    private(set) var isMisbehaving = false
    private let ledger: Ledger
    private var running: [ObjectIdentifier: Exchange] = [:]
    /// Running answers of each account.
    private var uses: [AccountID: Int] = [:]
    private var rates: [AccountID: Rate] = [:]
    private var greeted: Set<AccountID> = []
    private(set) var hasAnswered = false
    /// When its client last took something.
    private var lastTaken = SystemClock.monotonic()
    /// The login that it was last opened an account with.
    var admitted: AdmittedLogin?
    /// How long a new connection is given for its first request when its worker drains.
    private static let patience: Int64 = 5_000_000_000

    /// What slows the answers of one account on this connection down.
    final class Rate {
        var limit: RateLimit
        init(_ limit: RateLimit) { self.limit = limit }
    }

    init(
        name: String, peer: Endpoint, refusal: SessionLimits.Refusal?, ledger: Ledger
    ) {
        self.name = name
        self.peer = peer
        self.refusal = refusal
        self.ledger = ledger
    }

    /// The handshake is done.
    func secured(by tls: TLSConnection) {
        protection = "\(tls.version) \(tls.cipher)"
        isResumed = tls.resumption != .none
        lastTaken = SystemClock.monotonic()
    }

    /// Whether an answer is under way.
    var isBusy: Bool { !running.isEmpty }
    /// Whether a worker that drains may close it.
    var isFinished: Bool {
        !isBusy && (hasAnswered || SystemClock.monotonic() - started > Self.patience)
    }
    var answers: some Collection<Exchange> { running.values }

    // MARK: Its end

    /// Ends it at once.
    func cut() {
        isCut = true
        end?.cut()
    }

    /// Ends it when its client has read what was sent.
    func close() { end?.close() }

    /// Ends it when its client has read the reason, or after a second.
    func endSoon() {
        isMisbehaving = true
        end?.close()
    }

    /// Ends a connection that takes nothing: between answers after the idle time, within one after the longer stall time.
    /// What the client sends does not count, or a request that drips could keep a connection for ever.
    func endIfIdle(_ settings: HTTPSSettings) {
        guard protection != nil else { return }
        let limit = isBusy ? settings.stallTimeout : settings.idleTimeout
        guard SystemClock.monotonic() - lastTaken > Int64(limit) * 1_000_000_000 else { return }
        // Who takes nothing more need not be waited for, nor who was sent nothing.
        if isBusy || !hasAnswered { cut() } else { close() }
    }

    /// An answer's last byte was taken.
    func answered(isDraining: Bool) {
        let isLast = refusal != nil || isDraining || hasFailedTooOften
        if isLast, !isBusy { close() }
    }

    // MARK: Accounts

    /// Whether `account` was used here before.
    func hasGreeted(_ account: AccountID) -> Bool { greeted.contains(account) }

    func greets(_ account: AccountID) { greeted.insert(account) }

    /// A wrong password or link.
    func failed() {
        failures += 1
        if failures == Self.mostFailures { sayGoodbye?() }
    }

    /// Whether no password is looked at any more.
    var hasFailedTooOften: Bool { failures >= Self.mostFailures }

    /// False when the account has as many sessions as it may.
    func mayServe(_ account: Account, _ limits: SessionLimits) -> Bool {
        if let count = uses[account.id] {
            uses[account.id] = count + 1
        } else {
            guard ledger.signedIn(to: account.id, limits) else { return false }
            uses[account.id] = 1
            if rates[account.id] == nil {
                rates[account.id] = ledger.rateLimit(of: account.id, limits).map(Rate.init)
            }
        }
        account.sessions += 1
        return true
    }

    /// To be called once for each ``mayServe(_:_:)`` that said yes.
    func served(_ account: Account) {
        account.sessions -= 1
        let count = uses[account.id, default: 1] - 1
        uses[account.id] = count > 0 ? count : nil
        if count == 0 { ledger.signedOut(of: account.id) }
    }

    func rate(of account: Account) -> Rate? { rates[account.id] }

    // MARK: Answers

    func began(_ answer: Exchange) {
        running[ObjectIdentifier(answer)] = answer
        hasAnswered = true
    }

    func ended(_ answer: Exchange) { running[ObjectIdentifier(answer)] = nil }

    /// The kernel took something of an answer, `count` bytes of files among it.
    func took(_ count: Int) {
        lastTaken = SystemClock.monotonic()
        if count > 0 { ledger.count(.httpsBytes, by: count) }
    }

    func uses(_ account: AccountID) -> Bool { uses[account] != nil }

    /// Rows of `ffsctl ftp who`: one for each download, or one for a connection without any.
    var rows: [FTPSession] {
        let downloads = answers.compactMap(\.download)
        guard !downloads.isEmpty else { return [row(nil)] }
        return downloads.map(row)
    }

    private func row(_ download: Exchange.Download?) -> FTPSession {
        FTPSession(
            id: name, service: .https, peer: peer.description,
            seconds: Int((SystemClock.monotonic() - started) / 1_000_000_000),
            account: download?.account.id.text ?? uses.keys.first?.text, tls: protection,
            bytes: download?.sent,
            rate: download?.rate, path: download.flatMap { try? RelativePath(bytes: $0.path.relative) })
    }

    /// Metadata of every log line about it.
    func metadata(_ account: AccountID? = nil) -> Logger.Metadata {
        var metadata: Logger.Metadata = ["session": "\(name)", "peer": "\(peer)", "service": "https"]
        if let account { metadata["account"] = "\(account)" }
        return metadata
    }
}
