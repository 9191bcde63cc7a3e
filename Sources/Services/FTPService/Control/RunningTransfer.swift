import Events
import FFSModel
import FTPProtocol
import Logging
import SystemSupport
import TLSEngine

/// What a data command wants sent.
struct TransferPlan {
    var content: Transfer.Content
    /// The 150.
    let opening: Reply
    /// For the logs; nil for listings.
    let file: File?
    /// Bytes to come where that is known, to decide whether the control thread sends them itself.
    var expected: UInt64?

    /// A file, and what is to be sent of it.
    struct File {
        let path: VirtualPath
        let range: Range<UInt64>
        let size: UInt64
    }
}

/// A session's transfer from its 150 to its last reply.
final class RunningTransfer {
    enum Stage {
        case waitingForClient
        case connecting(ActiveConnector)
        /// On the control thread, for the moment of one call.
        case inline(Transfer)
        case onThread(Transfer, DataThread)
        case over
    }

    let plan: TransferPlan
    let started: Int64
    /// Whose content it is; for the logs, which come when the session may be gone.
    let account: Account?
    /// Of the file; looked up when it is first asked for.
    private(set) lazy var digest = plan.file.flatMap { account?.digest(of: $0.path) }
    var stage = Stage.waitingForClient
    /// Its place in the journal; nil for what is not recorded.
    var record: DownloadRecord?
    /// Bytes that the ledger has.
    fileprivate var counted: UInt64 = 0

    init(_ plan: TransferPlan, of account: Account?, started: Int64) {
        self.plan = plan
        self.account = account
        self.started = started
    }

    var isWaiting: Bool {
        switch stage {
        case .waitingForClient, .connecting: true
        case .inline, .onThread, .over: false
        }
    }

    var progress: UInt64 {
        switch stage {
        case .inline(let transfer), .onThread(let transfer, _): transfer.progress.bytes
        case .waitingForClient, .connecting, .over: 0
        }
    }

    /// Bytes a second since its 150.
    func rate(now: Int64) -> Int { Int(Double(progress) * 1e9 / Double(max(1, now - started))) }

    /// Stops it without a reply; the session is going away.
    func abort() {
        switch stage {
        case .onThread(let transfer, let thread): thread.abort(transfer)
        case .connecting(let connector):
            connector.cancel()
            stage = .over
        case .waitingForClient: stage = .over
        case .inline, .over: break
        }
    }
}

/// What a session says, counts and logs when a transfer is over.
extension ControlSession {
    /// 425: there was no data connection.
    func dataConnectionFailed(_ why: String) {
        guard let running else { return }
        listener?.stopWaiting()
        running.abort()
        reply(Reply(425, why))
        over(running)
    }

    func transferEnded(_ transfer: Transfer, _ end: Transfer.End) {
        guard let running else { return }
        count(running, transfer, end)
        record(running, transfer, end)
        guard isOpen else {
            running.stage = .over
            return machine.transferEnded()
        }
        switch end {
        case .complete:
            reply(Reply(226, "Transfer complete."))
        case .broken: reply(Reply(426, "The data connection was closed; transfer aborted."))
        case .handshakeFailed: reply(Reply(522, "TLS on the data connection failed; PROT P is in force."))
        case .notResumed: reply(Reply(522, "The data connection must resume the TLS session of this connection."))
        case .unreadable: reply(Reply(451, "The file cannot be read; transfer aborted."))
        case .unrecorded: reply(Self.cannotRecord)
        case .aborted: reply(Reply(426, "Transfer aborted."))
        }
        over(running)
        flush()
    }

    private func over(_ running: RunningTransfer) {
        running.stage = .over
        machine.transferEnded()
        answerAborts()
        resume()
    }

    /// Every ABOR has a reply of its own, behind the transfer's.
    func answerAborts() {
        for _ in 0..<pendingAborts { reply(Reply(226, "ABOR done.")) }
        pendingAborts = 0
    }

    /// ABOR: stops the transfer; its replies follow.
    func abortTransfer() {
        guard let running else { return }
        switch running.stage {
        case .onThread(let transfer, let thread): thread.abort(transfer)
        case .waitingForClient, .connecting:
            listener?.stopWaiting()
            running.abort()
            reply(Reply(426, "Transfer aborted."))
            over(running)
        case .inline, .over: break
        }
    }

    /// Once a second: what a running transfer has sent since it was last counted.
    func countProgress() {
        guard let running else { return }
        switch running.stage {
        case .onThread(let transfer, _), .inline(let transfer):
            countBytes(running, transfer)
            // What TLS it has is the data thread's to know.
            running.record?.progressed(sent: transfer.progress.bytes, tls: nil)
        case .waitingForClient, .connecting, .over: break
        }
    }

    private func countBytes(_ running: RunningTransfer, _ transfer: Transfer) {
        let bytes = transfer.progress.bytes
        worker.ledger.count(transfer.stream.tls == nil ? .ftpBytes : .ftpsBytes, by: Int(bytes - running.counted))
        running.counted = bytes
    }

    private func count(_ running: RunningTransfer, _ transfer: Transfer, _ end: Transfer.End) {
        countBytes(running, transfer)
        worker.ledger.count(.ftpTransfers, by: -1)
        if let tls = transfer.stream.tls {
            if !tls.isEstablished {
                worker.ledger.count(.dataFailed)
            } else {
                let isResumed = tls.resumption == .ownSession
                worker.ledger.count(isResumed ? .dataResumed : .dataFull)
                if isResumed { hasResumed = true }
            }
            if end == .notResumed { worker.ledger.count(.dataNotResumed) }
        }
        guard running.plan.file != nil else { return }
        switch (end == .complete, transfer.stream.tls != nil) {
        case (true, true): worker.ledger.count(.ftpsComplete)
        case (true, false): worker.ledger.count(.ftpComplete)
        case (false, true): worker.ledger.count(.ftpsBroken)
        case (false, false): worker.ledger.count(.ftpBroken)
        }
    }

    private func record(_ running: RunningTransfer, _ transfer: Transfer, _ end: Transfer.End) {
        guard let file = running.plan.file else { return }
        var event = event(of: running, file)
        event.finished = worker.time
        event.nanoseconds = SystemClock.monotonic() - running.started
        event.bytes = transfer.progress.bytes
        event.isComplete = end == .complete
        if end != .complete { event.end = "\(end)" }
        event.tls = transfer.tlsFacts
        running.record?.end(sent: event.bytes, tls: event.tls, why: event.end)
        if worker.log.logger.logLevel <= .info { event.digest = running.digest }
        worker.log.record(event)
    }

    /// The transfer as it begins.
    private func event(of running: RunningTransfer, _ file: TransferPlan.File) -> TransferEvent {
        var event = TransferEvent(
            finished: worker.time, nanoseconds: 0, service: .ftp, session: name, peer: peer.endpoint,
            account: running.account?.id.text ?? "", path: file.path.bytes, offset: file.range.lowerBound, bytes: 0,
            isComplete: false, isASCII: machine.representation.kind == .ascii)
        event.size = file.size
        if case .deflate = machine.mode { event.isDeflated = true }
        return event
    }

    // MARK: Journal

    /// The last byte of a file waits for its record.
    func recordEnd(of transfer: Transfer, _ running: RunningTransfer) {
        guard let recorder = worker.recorder, let file = running.plan.file, let account = running.account else {
            return
        }
        var event = event(of: running, file)
        event.digest = running.digest
        let record = DownloadRecord(
            event, of: account.subject(of: file.path), ranges: [file.range], isMetered: account.isMetered,
            recorder: recorder)
        running.record = record
        transfer.settle = { transfer, bytes in
            let waiting = Handoff(transfer)
            let mailbox = transfer.mailbox
            return record.complete(bytes: bytes, tls: transfer.tlsFacts) { failure in
                mailbox?.post { _ in waiting.value.settled(failure) }
            }
        }
    }

    /// 451: the journal takes nothing new.
    static var cannotRecord: Reply {
        Reply(451, "Downloads cannot be recorded at present, so none is made; please try again later.")
    }
}

extension Transfer {
    /// For logs and records.
    fileprivate var tlsFacts: TransferEvent.TLS? {
        stream.tls.map { .init(protection: stream.protection ?? "-", isResumed: $0.resumption == .ownSession) }
    }
}
