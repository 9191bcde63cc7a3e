import Events
import FFSModel
import FTPProtocol
import HTTPDownload
import SystemSupport

/// Has the requests of one HTTP/1.1 connection answered, or the one request of an HTTP/2 stream. What it answers is in
/// `Answers.swift`, whom it lets in in `DownloadSignIn.swift`.
///
///     idle ──answer──▶ answering(nil) ──begin──▶ answering ──last byte taken──▶ idle
final class Exchange {
    private enum State {
        case idle
        /// nil while a refusal waits for its time.
        case answering(Answer?)
        case vanished
    }

    private struct Answer {
        let pump: BodyPump
        /// Whose content it is; nil for what belongs to nobody.
        let account: Account?
        /// nil for what is not a file's content.
        let download: Download?
    }

    /// A file on its way, for logs and `ffsctl ftp who`.
    struct Download {
        let account: Account
        let path: VirtualPath
        /// The first byte of the file that is sent.
        var offset: Int { ranges[0].lowerBound }
        /// What is sent of the file; several for an answer with several parts, never none.
        let ranges: [Range<Int>]
        let size: Int
        let digest: ContentDigest?
        fileprivate(set) var pump: BodyPump?
        /// Its place in the journal; nil: nothing is recorded.
        fileprivate(set) var record: DownloadRecord?

        init(account: Account, path: VirtualPath, ranges: [Range<Int>], size: Int, digest: ContentDigest?) {
            self.account = account
            self.path = path
            self.ranges = ranges
            self.size = size
            self.digest = digest
        }

        var sent: Int { pump?.sent ?? 0 }
        var nanoseconds: Int64 { pump.map { SystemClock.monotonic() - $0.started } ?? 0 }
        /// Bytes a second since it began.
        var rate: Int { Int(Double(sent) * 1e9 / Double(max(1, nanoseconds))) }
    }

    /// An answer that is about to begin.
    struct Response {
        var status: Int
        var fields: [(String, String)]
        /// The fields as HTTP/1.1 has them, where somebody put them together before.
        var fieldText: [UInt8]?
        var body: BodyPump.Source = .init(pieces: [])
        var account: Account?
        var download: Download?
        /// Whether the body's length is not among the fields.
        var isOpenEnded = false
    }

    let desk: DownloadDesk
    let connection: HTTPSConnection
    private unowned let wire: any AnswerWire
    private var state = State.idle
    /// Whether the request was one of HTTP/1.0.
    private(set) var isOld = false
    /// Whether the connection is to end after this answer, whatever its client would like.
    private var isLast = false
    private var isGone = false

    init(desk: DownloadDesk, connection: HTTPSConnection, wire: any AnswerWire) {
        self.desk = desk
        self.connection = connection
        self.wire = wire
    }

    /// Whether the connection takes no more requests.
    var endsConnection: Bool {
        isLast || desk.isDraining || connection.refusal != nil || connection.hasFailedTooOften
    }

    func answer(_ request: DownloadRequest) {
        isOld = request.isOld
        state = .answering(nil)
        reply(to: request)
    }

    /// Answers what is no request, or one too many; the connection ends.
    func refuse(_ refusal: RequestReader.Refusal) {
        isLast = true
        state = .answering(nil)
        let status =
            switch refusal {
            case .malformed: 400
            case .headTooLarge: 431
            case .contentTooLarge: 413
            }
        refuse(status, DownloadRequest(method: [UInt8](), target: []))
    }

    /// The connection takes more again.
    func goOn() { if case .answering(let answer?) = state { answer.pump.go() } }

    /// The client is gone, or wants no more of it.
    func vanished() {
        isGone = true
        if case .answering(let answer?) = state { answer.pump.end(isComplete: false) }
        state = .vanished
    }

    func endAfterThis() { isLast = true }

    /// The running one.
    var download: Download? {
        if case .answering(let answer?) = state { answer.download } else { nil }
    }

    /// Calls `body` on the loop after `time`, unless the client is gone by then.
    ///
    /// - Parameter time: nanoseconds.
    func later(_ time: Int64, _ body: @escaping () -> Void) {
        wire.loop.after(time) { [self] in if case .answering(nil) = state { body() } }
    }

    // MARK: One answer

    func begin(_ response: Response) {
        guard case .answering(nil) = state else { return }
        wire.begin(
            AnswerHead(
                status: response.status, fields: response.fields, fieldText: response.fieldText,
                isOpenEnded: response.isOpenEnded))
        var download = response.download
        let record = download.flatMap(newRecord)
        download?.record = record
        let pump = BodyPump(
            response.body, on: wire, rate: response.account.flatMap(connection.rate),
            connection: connection, settle: settle(download)
        ) { [self] _, isComplete in ended(isComplete) }
        download?.pump = pump
        connection.began(self)
        if download != nil { desk.ledger.count(.httpsTransfers) }
        state = .answering(Answer(pump: pump, account: response.account, download: download))
        pump.go()
        // It is not over at once: should this process die, the supervisor records it.
        if case .answering(let answer?) = state, answer.pump === pump, record?.goesOn() == false {
            pump.end(isComplete: false)
        }
    }

    // MARK: Journal

    private func newRecord(_ download: Download) -> DownloadRecord? {
        desk.recorder.map { recorder in
            DownloadRecord(
                event(of: download), of: download.account.subject(of: download.path),
                ranges: download.ranges.map { UInt64($0.lowerBound)..<UInt64($0.upperBound) },
                isMetered: download.account.isMetered, recorder: recorder)
        }
    }

    /// The last byte of a file waits for its record.
    private func settle(_ download: Download?) -> BodyPump.Settle? {
        guard let record = download?.record else { return nil }
        let tls = tlsFacts
        return { bytes, done in record.complete(bytes: UInt64(bytes), tls: tls, synced: done) }
    }

    private var tlsFacts: TransferEvent.TLS? {
        connection.protection.map { .init(protection: $0, isResumed: connection.isResumed) }
    }

    /// Once a second while an answer runs.
    func countProgress() {
        guard let download else { return }
        download.record?.progressed(sent: UInt64(download.sent), tls: tlsFacts)
    }

    /// The last byte was taken, or the client is gone.
    private func ended(_ isComplete: Bool) {
        guard case .answering(let answer?) = state else { return }
        state = isComplete ? .idle : .vanished
        connection.ended(self)
        if let account = answer.account { connection.served(account) }
        if let download = answer.download { record(download, isComplete) }
        if !isComplete, !isGone { wire.breakOff() }
    }

    /// One transfer for structured log, transfer log and metrics, alike to the byte.
    private func record(_ download: Download, _ isComplete: Bool) {
        desk.ledger.count(.httpsTransfers, by: -1)
        desk.ledger.count(isComplete ? .httpsComplete : .httpsBroken)
        var event = event(of: download)
        event.nanoseconds = download.nanoseconds
        event.bytes = UInt64(download.sent)
        event.isComplete = isComplete
        event.tls = tlsFacts
        let why = isComplete ? nil : isGone ? "closed by the client" : "the answer was broken off"
        download.record?.end(sent: event.bytes, tls: event.tls, why: why)
        desk.record(event)
    }

    private func event(of download: Download) -> TransferEvent {
        var event = TransferEvent(
            finished: desk.time, nanoseconds: 0, service: .https, session: connection.name, peer: connection.peer,
            account: download.account.id.text, path: download.path.bytes, offset: UInt64(download.offset), bytes: 0,
            isComplete: false, digest: download.digest)
        event.size = UInt64(download.size)
        return event
    }

    // MARK: The account's end

    /// Once a second while an answer runs: expiry and revocation by the account's policy.
    func checkAccount(now: Timestamp) {
        guard case .answering(let answer?) = state, let ending = answer.account?.ended else { return }
        isLast = true
        switch ending {
        case .finish: break
        case .until(let moment): if now >= moment { connection.cut() }
        case .cut: connection.cut()
        }
    }
}
