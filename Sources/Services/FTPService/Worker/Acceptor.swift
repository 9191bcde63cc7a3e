import FFSModel
import FTPProtocol
import Logging
package import SystemSupport

/// Takes connections from a listener that all workers share, one a turn, so that a busy worker leaves the next one
/// to an idle worker.
package final class Acceptor: PollLoop.Source {
    private let listener: Descriptor
    private let worker: Worker
    private let kind: Kind
    private static let pauseSeconds = 1

    /// Who gets the connections.
    package enum Kind {
        case ftp(implicitTLS: Bool)
        case https(HTTPSService)
    }

    package init(_ listener: consuming Descriptor, _ kind: Kind, worker: Worker) throws(SystemError) {
        self.listener = listener
        self.kind = kind
        self.worker = worker
        super.init()
        // The connections inherit these.
        self.listener.set(.noDelay(true))
        self.listener.set(.urgentInline)
        self.listener.set(.keepAlive)
        worker.congestionControl.prepare(listener: self.listener)
        try worker.loop.add(self, self.listener.rawValue, .exclusiveInput)
    }

    package override func ready(_ readiness: Readiness) {
        do throws(SystemError) {
            guard let accepted = try listener.accept() else { return }
            let peer = accepted.peer
            admit(accepted.take(), peer)
        } catch {
            // Out of descriptors: the waiting connection stays and would wake this loop for ever.
            worker.log.logger.error("cannot accept; pausing for a second", metadata: ["cause": "\(error)"])
            worker.loop.remove(self)
            try? worker.loop.add(self, listener.rawValue, [])
            worker.loop.setDeadline(self, in: Self.pauseSeconds)
        }
    }

    package override func expired() {
        worker.loop.remove(self)
        do throws(SystemError) {
            try worker.loop.add(self, listener.rawValue, .exclusiveInput)
        } catch { worker.log.logger.error("cannot accept any more", metadata: ["cause": "\(error)"]) }
    }

    private func admit(_ socket: consuming Descriptor, _ peer: TCPAddress) {
        guard !worker.settings.proxies.isEmpty, worker.settings.proxies.contains(peer.ip) else {
            return begin(socket, peer)
        }
        do throws(SystemError) {
            _ = try ProxyHeaderReader(socket, peer: peer, loop: worker.loop) { [self] socket, client in
                guard let client else {
                    return worker.log.logger.notice("no PROXY header", metadata: ["proxy": "\(peer.endpoint)"])
                }
                begin(socket, client)
            }
        } catch { worker.log.logger.error("cannot read a PROXY header", metadata: ["cause": "\(error)"]) }
    }

    private func begin(_ socket: consuming Descriptor, _ peer: TCPAddress) {
        switch kind {
        case .ftp(let implicitTLS): beginFTP(socket, peer, implicitTLS: implicitTLS)
        case .https(let service): service.serve(socket, from: peer)
        }
    }

    private func beginFTP(_ socket: consuming Descriptor, _ peer: TCPAddress, implicitTLS: Bool) {
        if let limit = worker.admit(peer) {
            worker.log.logger.notice("connection refused", metadata: ["peer": "\(peer.endpoint)", "limit": "\(limit)"])
            if !implicitTLS {
                let refusal = Reply(421, "Too many connections; please try again later.").encoded
                _ = refusal.withUnsafeBytes { socket.send($0) }
            }
            return
        }
        guard let local = try? socket.localAddress() else { return worker.left(peer) }
        let session = ControlSession(
            socket, peer: peer, local: local, name: worker.nextSessionName(), implicitTLS: implicitTLS, worker: worker)
        session.start()
    }

    /// Leaves the listener to the other workers.
    package func close() { worker.loop.remove(self) }
}
