import FFSModel
import FTPProtocol
import Logging
import SystemSupport

/// PORT, EPRT, PASV, EPSV (RFC 959 §4.1.2, RFC 2428), ABOR.
///
///     C: EPSV                           S: 229 Entering Extended Passive Mode (|||51234|)
///     C: PASV                           S: 227 Entering Passive Mode (192,0,2,1,200,34).
///     C: PORT 192,0,2,7,195,80          S: 200 Data will go to port 50000.
///     C: PORT 10,0,0,1,195,80           S: 504 Data goes to your own address only.
///     C: ABOR  (during a transfer)      S: 426 Transfer aborted.   S: 226 ABOR done.
extension ControlSession {
    func active(_ endpoint: Endpoint) {
        let answer = machine.active(endpoint, peer: peer.ip)
        if answer.code == 504 {
            log(.warning, "data to a third party or a privileged port refused", ["endpoint": "\(endpoint)"])
        }
        if answer.code == 200 { dropListener() }
        reply(answer)
    }

    func passive() {
        if let refusal = machine.pasv() { return reply(refusal) }
        guard peer.ip.family == .v4 else { return reply(Reply(522, "PASV is for IPv4; use EPSV.")) }
        guard let port = listen() else { return }
        let address = worker.settings.passiveAddress.announced(to: peer.ip, local: local.ip)
        reply(Endpoint(address, port).passiveReply())
        expectClient()
    }

    func extendedPassive(_ wanted: ExtendedPassive) {
        if let answer = machine.epsv(wanted, family: peer.ip.family) { return reply(answer) }
        guard let port = listen() else { return }
        reply(Endpoint.extendedPassiveReply(port: port))
        expectClient()
    }

    /// The session's passive port, opened if need be; nil after a 425.
    private func listen() -> UInt16? {
        if let listener {
            dropEarly()
            if machine.dataSetup == .passive { listener.forgetCallers() }
            machine.passiveReady()
            return listener.port
        }
        do throws(SystemError) {
            // Whose connection it is must be told by its address, or the port is this session's alone.
            let isTold = !worker.settings.acceptsAnyDataPeer && worker.settings.proxies.isEmpty
            let place = try worker.passivePorts.port(
                at: local.ip, scope: local.scope, for: peer.bytes, mayShare: isTold)
            let listener = try PassiveListener(
                place, client: peer.bytes, loop: worker.loop, unusedSeconds: worker.settings.dataTimeout
            ) { [unowned self] in
                dropListener()
            } onStranger: { [unowned self] caller in
                strangerRefused(caller)
            }
            self.listener = listener
            machine.passiveReady()
            return listener.port
        } catch {
            log(.error, "no passive port", ["cause": "\(error)"])
            reply(Reply(425, "There is no free port for a data connection; try later."))
            return nil
        }
    }

    /// 426 and 226 while a transfer runs; 226 otherwise (RFC 959 §4.1.3).
    func abort() {
        guard machine.isTransferring else { return reply(Reply(226, "No transfer to abort.")) }
        pendingAborts += 1
        if let job = machine.job { return job.stop() }
        abortTransfer()
    }
}
