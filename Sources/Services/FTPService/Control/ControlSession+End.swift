import FFSModel
import FTPProtocol
import Logging
import SystemSupport

/// How a control connection ends: by a last reply, at once, when its worker drains, or with its account.
extension ControlSession {
    /// Nanoseconds after which a session counts as idle when its worker drains.
    private static let quiet: Int64 = 2_000_000_000
    private static let closingSeconds = 10
    private static let lingerSeconds = 2

    /// Whether replies still make sense.
    var isOpen: Bool {
        switch life {
        case .open, .checking, .refusing, .handshaking: true
        case .closing, .lingering, .closed: false
        }
    }

    /// Sends `goodbye` and closes. `lingers`: the peer may have sent more than was read.
    func close(_ goodbye: Reply, lingers: Bool = false) {
        guard life != .closed, life != .closing else { return }
        reply(goodbye)
        running?.abort()
        self.lingers = lingers
        endQuietly()
    }

    /// Nothing more is said; what was said is still written.
    func endQuietly() {
        life = .closing
        worker.loop.setDeadline(self, in: Self.closingSeconds)
    }

    /// All was written.
    func finish() {
        // close(2) says FIN as well.
        guard lingers || stream.tls != nil else { return destroy() }
        _ = stream.finish()
        guard lingers else { return destroy() }
        life = .lingering
        worker.loop.setDeadline(self, in: Self.lingerSeconds)
        worker.loop.watch(self, .input)
    }

    func discard() {
        switch stream.socket.receive(into: worker.readSpace) {
        case .bytes, .wouldBlock: break
        case .end, .failed: destroy()
        }
    }

    /// Closes at once and lets everything go.
    func destroy() {
        guard life != .closed else { return }
        life = .closed
        // A transfer on a data thread still comes back once, to be logged.
        running?.abort()
        machine.job?.stop()
        dropListener()
        worker.loop.remove(self)
        signedOut()
        output = []
        log(.debug, "session ended", ["commands": "\(commands)"])
        worker.left(peer)
    }

    func dropListener() {
        dropEarly()
        listener?.close()
        listener = nil
        machine.passiveGone()
    }

    func dropEarly() {
        early?.discard()
        early = nil
    }

    func signedOut() {
        if let account = machine.signOut() { worker.signedOut(of: account) }
    }

    /// The worker drains: the session ends once it is quiet. Between two commands of a client that is about to fetch
    /// something, or the next file, is no time to end it.
    func drain() {
        guard !machine.isTransferring, worker.loop.now - lastBusy >= Self.quiet else { return }
        switch life {
        case .open: close(Reply(421, "The server is being restarted; please connect again."))
        case .handshaking: destroy()
        case .checking, .refusing, .closing, .lingering, .closed: return
        }
        flush()
    }

    /// The account expired or was revoked.
    func accountEnded(now: Timestamp) {
        guard let ending = account?.ended else { return }
        let goodbye = Reply(421, "The account has ended.")
        switch ending {
        case .until(let moment) where now < moment: return
        case .finish where machine.isTransferring: closesWhenIdle = goodbye
        case .finish, .until, .cut: close(goodbye)
        }
        flush()
    }

    /// An operator ends the session.
    func kick() {
        log(.notice, "kicked")
        close(Reply(421, "Disconnected by the operator."))
        flush()
    }
}
