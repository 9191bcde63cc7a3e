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
    /// The file's path and where sending starts, for the logs; nil for listings.
    let file: (path: VirtualPath, offset: UInt64)?
    /// Bytes to come where that is known, to decide whether the control thread sends them itself.
    var expected: UInt64?
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
    var stage = Stage.waitingForClient
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
        case .onThread(let transfer, _), .inline(let transfer): countBytes(running, transfer)
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
        let elapsed = SystemClock.monotonic() - running.started
        var event = TransferEvent(
            finished: worker.time, nanoseconds: elapsed, service: .ftp, session: name, peer: peer.endpoint,
            account: running.account?.id.text ?? "", path: file.path.bytes, offset: file.offset,
            bytes: transfer.progress.bytes, isComplete: end == .complete,
            isASCII: machine.representation.kind == .ascii)
        if end != .complete { event.end = "\(end)" }
        if case .deflate = machine.mode { event.isDeflated = true }
        if let tls = transfer.stream.tls {
            event.tls = .init(protection: transfer.stream.protection ?? "-", isResumed: tls.resumption == .ownSession)
        }
        if worker.log.logger.logLevel <= .info { event.digest = running.account?.digest(of: file.path) }
        worker.log.record(event)
    }
}
