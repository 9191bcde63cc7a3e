import ConfigurationSchema
import FFSModel
import FTPProtocol
import Logging
import SystemSupport
import TLSEngine

/// How a session gets its data connection.
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
        machine.transferStarted(RunningTransfer(plan, of: account, started: worker.loop.now))
        reply(plan.opening)
        worker.loop.setDeadline(self, in: worker.settings.dataTimeout)
        switch machine.dataSetup {
        case .passive: awaitClient()
        case .active(let endpoint): connect(to: endpoint)
        case .none: dataConnectionFailed("PASV, EPSV, PORT or EPRT first.")
        }
    }

    private func awaitClient() {
        if let early {
            self.early = nil
            if machine.protectsData { return connected(early.take()) }
            early.discard()
        }
        guard let listener else { return dataConnectionFailed("The passive port was closed; PASV or EPSV again.") }
        do {
            if try listener.takeArrived({ take($0, from: $1) }) { return }
        } catch { return dataConnectionFailed("The server is out of resources; try later.") }
        // Held until the end of the call: what is taken may be the session's last transfer.
        listener.wait { [weak self] socket, caller in
            guard let self else { return }
            if take(socket, from: caller) { flush() }
        }
    }

    /// Whether the connection was the client's, or a balancer's that has yet to say whose it is.
    private func take(_ socket: consuming Descriptor, from caller: TCPAddress) -> Bool {
        if !worker.settings.proxies.isEmpty, worker.settings.proxies.contains(caller.ip) {
            return ask(socket, caller)
        }
        return accept(socket, from: caller)
    }

    private func ask(_ socket: consuming Descriptor, _ proxy: TCPAddress) -> Bool {
        listener?.stopWaiting()
        do throws(SystemError) {
            _ = try ProxyHeaderReader(socket, peer: proxy, loop: worker.loop) { [weak self] socket, client in
                guard let self, running?.isWaiting == true else { return }
                if let client, accept(socket, from: client) { return flush() }
                awaitClient()
                flush()
            }
            return true
        } catch { return false }
    }

    private func accept(_ socket: consuming Descriptor, from caller: TCPAddress) -> Bool {
        guard isClient(caller) else {
            socket.set(.resetOnClose)
            return false
        }
        listener?.stopWaiting()
        connected(socket)
        return true
    }

    private func isClient(_ caller: TCPAddress) -> Bool {
        if worker.settings.acceptsAnyDataPeer || caller.bytes == peer.bytes { return true }
        strangerRefused(caller)
        return false
    }

    func strangerRefused(_ caller: TCPAddress) {
        log(.warning, "data connection from another address refused", ["caller": "\(caller.endpoint)"])
        worker.ledger.count(.dataFromOtherAddress)
    }

    /// After the reply to PASV or EPSV: under PROT P the client's connection is taken as soon as it comes, to agree on
    /// TLS before the command. Not through a balancer, which has yet to say whose it is.
    func expectClient() {
        guard machine.protectsData, worker.settings.proxies.isEmpty else { return }
        listener?.wait(isNeeded: false) { [weak self] socket, caller in
            guard let self else { return }
            guard isClient(caller) else { return socket.set(.resetOnClose) }
            listener?.stopWaiting()
            guard let data = stream(over: socket) else { return }
            do throws(SystemError) { early = try EarlyConnection(data, loop: worker.loop) } catch {
                log(.error, "data connection dropped", ["cause": "\(error)"])
            }
        }
    }

    /// The data connection, under TLS after PROT P; nil, and a line in the log, when that cannot be started.
    private func stream(over socket: consuming Descriptor) -> ByteStream? {
        let data = ByteStream(socket)
        guard machine.protectsData else { return data }
        do throws(TLSError) {
            guard let tls = worker.tls else { throw TLSError(.credentials, "there is no certificate") }
            try data.startTLS(tls.ftp, identity: identity, mustResumeOwnSession: true)
            return data
        } catch {
            log(.error, "TLS on the data connection cannot be started", ["cause": "\(error)"])
            return nil
        }
    }

    private func connect(to endpoint: Endpoint) {
        do throws(SystemError) {
            guard let from = TCPAddress(bytes: local.bytes, port: 0, scope: local.scope),
                let to = TCPAddress(bytes: peer.bytes, port: endpoint.port, scope: peer.scope)
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
        guard let data = stream(over: socket) else {
            return dataConnectionFailed("The server cannot start TLS now; try later.")
        }
        connected(data)
    }

    /// A client that has resumed its session once can do it each time: who then comes without any is somebody else, who
    /// found the passive port open. Under `prefer` another session's ticket is taken, as clients with several control
    /// connections mix them up.
    private var sessionDemand: Transfer.Demand {
        switch worker.settings.tlsReuse {
        case .require: .ownSession
        case .prefer: hasResumed ? .someSession : .nothing
        case .off: .nothing
        }
    }

    private func connected(_ data: ByteStream) {
        guard let running else { return }
        worker.loop.setDeadline(self, in: nil)
        // What fits into a few first windows is gone before a congestion control learns anything.
        let isBrief = running.plan.expected.map { $0 <= Self.briefBytes } ?? false
        let isInline = data.tls.map { $0.isEstablished && isBrief } ?? Self.isInline(running.plan)
        let isUnpaced = isBrief || worker.congestionControl.settle(data.socket)
        let transfer = Transfer(
            data, running.plan.content, demand: sessionDemand,
            corks: isUnpaced && data.tls == nil, patience: worker.settings.stallTimeout)
        if running.plan.file != nil, let account {
            transfer.limit = worker.ledger.rateLimit(of: account.id, worker.settings.limits)
        }
        recordEnd(of: transfer, running)
        worker.ledger.count(.ftpTransfers)
        // What waits for a disk does so on a thread of its own.
        if isInline, running.record?.isMetered != true {
            running.stage = .inline(transfer)
            transfer.onEnd = { [unowned self] end in transferEnded(transfer, end) }
            if transfer.runInline(budget: Int(Self.inlineBytes) + 1) { return }
        }
        handOver(transfer, running)
    }

    private func handOver(_ transfer: Transfer, _ running: RunningTransfer) {
        guard running.record?.goesOn() ?? true else {
            transfer.onEnd = { [unowned self] end in transferEnded(transfer, end) }
            return transfer.refuse("there are too many at once")
        }
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
}
