import FTPProtocol
import Logging
import SystemSupport
import TLSEngine

/// TLS around the control connection (RFC 4217).
extension ControlSession {
    /// After 234. Whatever came with AUTH in one piece was sent before the handshake and may be anyone's: it is never
    /// run, and the session ends.
    func startHandshake() {
        guard !framer.hasBufferedBytes else {
            log(.warning, "bytes behind AUTH TLS: somebody may be injecting commands")
            return destroy()
        }
        flush()
        guard life == .open, let tls = worker.tls, output.isEmpty else { return destroy() }
        do throws(TLSError) { try stream.startTLS(tls.ftp, identity: identity) } catch {
            log(.error, "TLS cannot be started", ["cause": "\(error)"])
            return destroy()
        }
        life = .handshaking
        hasResumed = false
        continueHandshake()
    }

    func continueHandshake() {
        switch stream.handshake() {
        case .bytes:
            if let name = stream.tls?.applicationProtocol, name != "ftp" {
                log(.notice, "ALPN of another protocol", ["alpn": "\(name)"])
                return destroy()
            }
            guard machine.agrees(serverName: stream.tls?.serverName) else {
                log(.notice, "TLS for another name than HOST's")
                return destroy()
            }
            life = .open
            worker.ledger.count(
                stream.tls?.resumption == TLSConnection.Resumption.none ? .controlFull : .controlResumed)
            log(.debug, "TLS", ["tls": "\(stream.protection ?? "-")"])
            if commands == 0 { reply(Reply(220, worker.settings.policy.greeting)) }
            receive()
            flush()
        case .wantsInput: worker.loop.watch(self, .input)
        case .wantsOutput: worker.loop.watch(self, .output)
        case .end, .failed:
            worker.ledger.count(.controlFailed)
            log(.notice, "TLS handshake failed")
            destroy()
        }
    }
}
