import FFSModel
import ConfigurationSchema
import FTPProtocol
import Logging
import SystemSupport
import TLSEngine

/// What a data command wants sent.
struct TransferPlan {
    var content: Transfer.Content
    /// Text of the 150.
    let opening: String
    /// The file's path and where sending starts, for the logs; nil for listings.
    let file: (path: VirtualPath, offset: UInt64)?
    /// Bytes to come where that is known, to decide whether the control thread sends them itself.
    var expected: UInt64?
    /// Called when all was sent.
    var onComplete: () -> Void = {}
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
    var stage = Stage.waitingForClient
    /// ABOR came; its own reply follows the transfer's.
    var wasAborted = false
    /// Bytes that the ledger has.
    fileprivate var counted: UInt64 = 0

    init(_ plan: TransferPlan, started: Int64) {
        self.plan = plan
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

/// How a session gets its data connection, and what it says when the transfer is over.
extension ControlSession {
    /// Up to so many bytes are sent by the control thread itself, as far as the socket takes them at once: a hand-over
    /// would cost more.
    private static let inlineBytes: UInt64 = 1_024 * 1_024
    /// Above this size only when no disk has to be waited for.
    private static let inlineBytesUnseen: UInt64 = 128 * 1_024
    private static let briefBytes: UInt64 = 64 * 1_024

    private static func isInline(_ plan: TransferPlan) -> Bool {
        guard let expected = plan.expected, expected <= inlineBytes else { return false }
        guard expected > inlineBytesUnseen, case .file(let file, let range) = plan.content else { return true }
        return file.descriptor.isCached(at: range.lowerBound) && file.descriptor.isCached(at: range.upperBound - 1)
    }

    /// 150, then the data connection. The caller has seen that ``SessionMachine/dataRefusal()`` is nil.
    func begin(_ plan: TransferPlan) {
        var plan = plan
        if case .deflate(let level) = machine.mode {
            guard let deflating = DeflatingProducer(plan.content, level: level) else {
                return reply(Reply(451, "The server is out of memory; try later, or MODE S."))
            }
            plan.content = .produced(deflating)
            plan.expected = nil
        }
        machine.transferStarted()
        let running = RunningTransfer(plan, started: worker.loop.now)
        self.running = running
        reply(Reply(150, plan.opening))
        worker.loop.setDeadline(self, in: worker.settings.dataTimeout)
        switch machine.dataSetup {
        case .passive: awaitClient()
        case .active(let endpoint): connect(to: endpoint)
        case .none: dataConnectionFailed("PASV, EPSV, PORT or EPRT first.")
        }
    }

    private func awaitClient() {
        guard let listener else { return dataConnectionFailed("The passive port was closed; PASV or EPSV again.") }
        do {
            while let accepted = try listener.acceptNow() {
                let caller = accepted.peer
                if take(accepted.take(), from: caller) { return }
            }
        } catch { return dataConnectionFailed("The server is out of resources; try later.") }
        // Held until the end of the call: what is taken may be the session's last transfer.
        listener.wait { [weak self] socket, caller in
            guard let self else { return }
            if take(socket, from: caller) { flush() }
        }
    }

    /// Whether the connection was the client's, or a balancer's that has yet to say whose it is.
    private func take(_ socket: consuming Descriptor, from caller: SocketAddress) -> Bool {
        if !worker.settings.proxies.isEmpty, worker.settings.proxies.contains(caller.ip) {
            return ask(socket, caller)
        }
        return accept(socket, from: caller)
    }

    private func ask(_ socket: consuming Descriptor, _ proxy: SocketAddress) -> Bool {
        listener?.stopWaiting()
        do throws(SystemError) {
            _ = try ProxyGate(socket, peer: proxy, loop: worker.loop) { [weak self] socket, client in
                guard let self, running?.isWaiting == true else { return }
                if let client, accept(socket, from: client) { return flush() }
                awaitClient()
                flush()
            }
            return true
        } catch { return false }
    }

    private func accept(_ socket: consuming Descriptor, from caller: SocketAddress) -> Bool {
        guard worker.settings.acceptsAnyDataPeer || caller.bytes == peer.bytes else {
            log(.warning, "data connection from another address refused", ["caller": "\(caller.endpoint)"])
            worker.ledger.count(.dataFromOtherAddress)
            socket.set(.resetOnClose)
            return false
        }
        listener?.stopWaiting()
        connected(socket)
        return true
    }

    private func connect(to endpoint: Endpoint) {
        do throws(SystemError) {
            guard let from = SocketAddress(bytes: local.bytes, port: 0, scope: local.scope),
                let to = SocketAddress(bytes: peer.bytes, port: endpoint.port, scope: peer.scope)
            else { return dataConnectionFailed("Cannot connect.") }
            let connector = try ActiveConnector(from: from, to: to, loop: worker.loop) { [weak self] socket, why in
                guard let self else { return }
                if let socket {
                    connected(socket)
                } else {
                    dataConnectionFailed("Cannot connect to you: \(why).")
                }
                flush()
            }
            running?.stage = .connecting(connector)
        } catch { dataConnectionFailed("Cannot connect to you: \(error.errno).") }
    }

    private func connected(_ socket: consuming Descriptor) {
        guard let running else { return }
        worker.loop.setDeadline(self, in: nil)
        let data = ByteStream(socket)
        if machine.protectsData {
            guard let tls = worker.tls,
                (try? data.startTLS(tls.ftp, identity: identity, mustResumeOwnSession: true)) != nil
            else { return dataConnectionFailed("TLS cannot be started.") }
        }
        let isInline = data.tls == nil && Self.isInline(running.plan)
        // What fits into a few first windows is gone before a congestion control learns anything.
        let isBrief = running.plan.expected.map { $0 <= Self.briefBytes } ?? false
        let isUnpaced = isBrief || worker.congestionControl.settle(data.socket)
        let transfer = Transfer(
            data, running.plan.content, mustResume: worker.settings.tlsReuse == .require,
            corks: isUnpaced && data.tls == nil, patience: worker.settings.stallTimeout)
        if running.plan.file != nil, let account {
            transfer.limit = worker.ledger.rateLimit(of: account.id, worker.settings.limits)
        }
        worker.ledger.count(.ftpTransfers)
        if isInline {
            running.stage = .inline(transfer)
            transfer.onEnd = { [unowned self] end in transferEnded(transfer, end) }
            if transfer.runInline(budget: Int(Self.inlineBytes) + 1) { return }
        }
        handOver(transfer, running)
    }

    private func handOver(_ transfer: Transfer, _ running: RunningTransfer) {
        let thread = worker.leastLoadedDataThread()
        let home = worker.loop.mailbox
        let session = Handoff(self)
        let ended = Handoff(transfer)
        transfer.onEnd = { end in
            thread.ended()
            home.post { _ in session.value.transferEnded(ended.value, end) }
        }
        running.stage = .onThread(transfer, thread)
        thread.run(transfer)
    }

    // MARK: The end of it

    /// 425: there was no data connection.
    func dataConnectionFailed(_ why: String) {
        guard let running else { return }
        listener?.stopWaiting()
        running.abort()
        reply(Reply(425, why))
        over(running)
    }

    private func transferEnded(_ transfer: Transfer, _ end: Transfer.End) {
        guard let running else { return }
        count(running, transfer, end)
        record(running, transfer, end)
        guard isOpen else {
            running.stage = .over
            self.running = nil
            return
        }
        switch end {
        case .complete:
            running.plan.onComplete()
            reply(Reply(226, "Transfer complete."))
        case .broken: reply(Reply(426, "The data connection was closed; transfer aborted."))
        case .handshakeFailed: reply(Reply(425, "TLS on the data connection failed."))
        case .notResumed: reply(Reply(522, "The data connection must resume the TLS session of this connection."))
        case .unreadable: reply(Reply(451, "The file cannot be read; transfer aborted."))
        case .aborted: reply(Reply(426, "Transfer aborted."))
        }
        over(running)
        flush()
    }

    private func over(_ running: RunningTransfer) {
        running.stage = .over
        self.running = nil
        machine.transferEnded()
        if running.wasAborted { reply(Reply(226, "ABOR done.")) }
        resume()
    }

    /// ABOR and expired accounts: stops the transfer; its replies follow.
    func abortTransfer() {
        guard let running else { return }
        running.wasAborted = true
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
                worker.ledger.count(tls.resumption == .ownSession ? .dataResumed : .dataFull)
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
        worker.log.record(
            TransferRecord(
                finished: worker.time, seconds: max(1, Int((elapsed + 500_000_000) / 1_000_000_000)), peer: peer.ip,
                bytes: transfer.progress.bytes, path: file.path.bytes, isASCII: machine.representation.kind == .ascii,
                account: machine.account, service: .ftp, isComplete: end == .complete))
        guard worker.log.logger.logLevel <= .info else { return }
        var metadata: Logger.Metadata = [
            "path": "\(printablePath(file.path.bytes))", "offset": "\(file.offset)",
            "bytes": "\(transfer.progress.bytes)", "complete": "\(end == .complete)",
            "milliseconds": "\(elapsed / 1_000_000)", "service": "ftp",
        ]
        if let tls = transfer.stream.tls {
            metadata["tls"] = "\(transfer.stream.protection ?? "-")"
            metadata["reused"] = "\(tls.resumption == .ownSession)"
        }
        if case .deflate = machine.mode { metadata["mode"] = "Z" }
        if let account, let digest = account.digest(of: file.path) { metadata["sha256"] = "\(digest)" }
        if end != .complete { metadata["end"] = "\(end)" }
        log(.info, "transfer", metadata)
    }
}
