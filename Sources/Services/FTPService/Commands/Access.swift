import Events
import FFSModel
import FTPProtocol
import Logging
import SystemSupport

/// USER, PASS, REIN, QUIT (RFC 959 §4.1.1), AUTH (RFC 4217 §4).
///
///     C: AUTH TLS                       S: 234 Go ahead with TLS.   (and the handshake follows)
///     C: USER abcdefghij234567          S: 331 Password, please.
///     C: PASS …                         S: 230 Signed in.
///     C: REIN                           S: 220 FFS ready.           (signed out, still under TLS)
///     C: QUIT                           S: 221 Goodbye.
extension ControlSession {
    func user(_ name: [UInt8]) { reply(refusalInClear(name) ?? machine.user(name)) }

    /// 230, or 530 after a fixed time.
    func pass(_ password: [UInt8]) {
        guard let name = machine.pass() else { return reply(machine.passOutOfOrder) }
        if worker.recorder?.isRefusing == true { return refuseUnrecorded() }
        if startCustomerSignIn(name, password) { return }
        guard !worker.lockOut.isLocked(name, from: peer.ip, now: worker.loop.now) else {
            log(.warning, "sign-in refused", ["why": "too many wrong passwords from this address"])
            recordRefusal(name, "too many wrong passwords from this address")
            return refuseLater()
        }
        switch worker.accounts.admit(name: name, password: password, now: worker.time) {
        case .admitted(let account): enter(account)
        case .refused(let why):
            if why == ServedAccounts.wrongPassword { worker.lockOut.failed(name, from: peer.ip, now: worker.loop.now) }
            log(.notice, "sign-in refused", ["why": "\(why)"])
            recordRefusal(name, why)
            refuseLater()
        }
    }

    private var place: LoginPlace {
        LoginPlace(peer: peer.endpoint, service: .ftp, session: name, tls: stream.protection)
    }

    func recordRefusal(_ name: some Collection<UInt8>, _ why: String) { worker.recorder?.refused(name, why, place) }

    /// 421: nothing begins that could not be recorded.
    private func refuseUnrecorded() {
        log(.error, "sign-in refused", ["why": "events cannot be recorded; see the supervisor's lines"])
        close(Reply(421, "Nothing can be recorded here at present, so nobody is let in; please try again later."))
    }

    /// The session is `account`'s from now on; `customer`: who came by their own name.
    func enter(_ account: Account, customer: CustomerName? = nil) {
        guard worker.signedIn(to: account) else {
            log(.notice, "sign-in refused", ["why": "ftp.sessions-per-account"])
            recordRefusal(account.name, "ftp.sessions-per-account")
            return close(Reply(421, "Too many connections of this account; close one or try later."))
        }
        if case .refused = worker.recorder?.signedIn(account.subject(of: nil), place) {
            worker.signedOut(of: account)
            return refuseUnrecorded()
        }
        reply(machine.accepted(account))
        var facts: Logger.Metadata = ["tls": "\(stream.protection ?? "none")", "client": "\(machine.client)"]
        if let customer { facts["customer"] = "\(customer)" }
        log(.info, "signed in", facts)
    }

    func reinitialize() {
        signedOut()
        dropListener()
        reply(machine.reinitialize())
        worker.loop.setDeadline(self, in: worker.settings.loginTimeout)
    }

    func quit() { close(Reply(221, "Goodbye.")) }

    func auth(_ mechanism: [UInt8]) {
        let answer = machine.auth(mechanism)
        reply(answer)
        guard answer.code == 234 else { return }
        signedOut()
        dropListener()
        machine.handshakeStarted(mechanism)
        worker.loop.setDeadline(self, in: worker.settings.loginTimeout)
        startHandshake()
    }
}
