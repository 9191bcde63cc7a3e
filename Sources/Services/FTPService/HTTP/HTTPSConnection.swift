import FFSModel
import FTPProtocol
import Logging
import NIOCore
import Requests
import SystemSupport
import TLSEngine

/// One TCP connection of the HTTPS side with the answers that run on it: what an FTP session is on the other side.
///
/// It counts for an account while an answer of that account runs on it; the streams of HTTP/2 count as one, and share
/// the rate of a session. Lives on the service's event loop.
final class HTTPSConnection: ListedSession {
    /// For log lines and `ffsctl ftp`: `<worker>-h<count>`.
    let name: String
    let peer: Endpoint
    var address: IPAddress { peer.address }
    let channel: any NIOCore.Channel
    /// Why every request of it is refused; nil for one that is served.
    let refusal: SessionLimits.Refusal?
    let started = NIODeadline.now()
    var handshake: TLSHandshakeCompleted? {
        didSet {
            protection = handshake.map { "\($0.version) \($0.cipher)" }
            isResumed = handshake.map { $0.resumption != .none } ?? false
            lastTaken = .now()
        }
    }
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
    private var lastTaken = NIODeadline.now()
    /// How long a new connection is given for its first request when its worker drains.
    private static let patience = TimeAmount.seconds(5)

    /// What slows the answers of one account on this connection down.
    final class Rate {
        var limit: RateLimit
        init(_ limit: RateLimit) { self.limit = limit }
    }

    init(
        name: String, peer: Endpoint, channel: any NIOCore.Channel, refusal: SessionLimits.Refusal?, ledger: Ledger
    ) {
        self.name = name
        self.peer = peer
        self.channel = channel
        self.refusal = refusal
        self.ledger = ledger
    }

    /// Whether an answer is under way.
    var isBusy: Bool { !running.isEmpty }
    /// Whether a worker that drains may close it.
    var isFinished: Bool { !isBusy && (hasAnswered || NIODeadline.now() - started > Self.patience) }
    var answers: some Collection<Exchange> { running.values }

    // MARK: Its end

    /// Ends it at once.
    func cut() {
        isCut = true
        channel.close(promise: nil)
    }

    /// Ends it when its client has read the reason, or after a second.
    func endSoon() {
        isMisbehaving = true
        channel.close(promise: nil)
    }

    /// Ends a connection that takes nothing: between answers after the idle time, within one after the longer stall time.
    /// What the client sends does not count, or a request that drips could keep a connection for ever.
    func endIfIdle(_ settings: HTTPSSettings) {
        guard handshake != nil else { return }
        let limit = isBusy ? settings.stallTimeout : settings.idleTimeout
        guard NIODeadline.now() - lastTaken > .seconds(Int64(limit)) else { return }
        // Who takes nothing more need not be waited for, nor who was sent nothing.
        if isBusy || !hasAnswered { cut() } else { channel.close(promise: nil) }
    }

    /// An answer's last byte was taken.
    func answered(isDraining: Bool) {
        let isLast = refusal != nil || isDraining || hasFailedTooOften
        if isLast, !isBusy { channel.close(promise: nil) }
    }

    // MARK: Accounts

    /// True the first time that `account` is used here.
    func greets(_ account: AccountID) -> Bool { greeted.insert(account).inserted }

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
        lastTaken = .now()
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
            id: name, service: .https, peer: peer.description, seconds: (NIODeadline.now() - started).wholeSeconds,
            account: download?.account.id.text ?? uses.keys.first?.text, tls: protection, bytes: download?.sent,
            rate: download?.rate, path: download.flatMap { try? RelativePath(bytes: $0.path.relative) })
    }

    /// Metadata of every log line about it.
    func metadata(_ account: AccountID? = nil) -> Logger.Metadata {
        var metadata: Logger.Metadata = ["session": "\(name)", "peer": "\(peer)", "service": "https"]
        if let account { metadata["account"] = "\(account)" }
        return metadata
    }
}

extension TimeAmount {
    var wholeSeconds: Int { Int(nanoseconds / 1_000_000_000) }
}
