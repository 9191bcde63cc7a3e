import CommlinkTransport
import ConfigurationSchema
import DaemonKit
import FFSModel
import Logging
import Requests
import SystemSupport

/// What only the running system shows. Each check ends within two seconds, and they run side by side.
struct LiveChecks: Sendable {
    let session: Session
    let daemons: [DaemonName]
    var configuration: ConfigurationSchema.Configuration { session.configuration }

    /// Milliseconds, and seconds, that another host may take.
    static let patience: Int32 = 1_000
    private static let requestSeconds = 2

    /// Every check of this host.
    var all: [@Sendable () async -> [Finding]] {
        var all: [@Sendable () async -> [Finding]] = []
        for daemon in daemons { all.append { await state(of: daemon) } }
        for link in links { all.append { await ping(link) } }
        let certificates = CertificateChecks(configuration: configuration, daemons: daemons)
        let places = PlaceChecks(configuration: configuration, daemons: daemons)
        return all + certificates.all + places.all
    }

    // MARK: Daemons and their ports

    /// Whether it runs; where it does not, whether its ports are free for it.
    private func state(of daemon: DaemonName) async -> [Finding] {
        do {
            let reply = try await session.daemon(daemon).send(DaemonStatus())
            guard reply.version == ffsVersion else {
                return [
                    Finding(
                        daemon, .warning, "running",
                        "release \(reply.version) runs and \(ffsVersion) is installed: restart it")
                ]
            }
            return [Finding(daemon, .ok, "running", "process \(reply.pid)")]
        } catch {
            guard error.code == .unreachable else { return [Finding(daemon, .error, "running", error.text)] }
            let ports = await onOwnThread { takenPorts(of: daemon) }
            let hint =
                ports.isEmpty ? "start it: systemctl start \(daemon.rawValue), or ffs-service start" : "see its ports"
            return [Finding(daemon, .error, "running", "it does not run; \(hint)", isOutage: ports.isEmpty)] + ports
        }
    }

    private func takenPorts(of daemon: DaemonName) -> [Finding] {
        listeners(of: daemon).flatMap { listener -> [Finding] in
            guard let address = Probes.addresses(ofHost: listener.address, port: 0).first else { return [] }
            return listener.ports.compactMap { port in
                guard
                    let there = TCPAddress(bytes: address.bytes, port: UInt16(clamping: port), scope: address.scope),
                    let errno = Probes.obstacle(toListenAt: there)
                else { return nil }
                let failure = Failure.cannotListen(on: listener.address, port: port, errno, option: listener.option)
                return Finding(daemon, .error, listener.option, failure.text)
            }
        }
    }

    /// Where a daemon listens, apart from passive data ports, which it takes one by one.
    private func listeners(of daemon: DaemonName) -> [(option: String, address: String, ports: [Int])] {
        func range(_ first: Option<Int>, _ count: Option<Int>) -> [Int] {
            Array(configuration[first]..<(configuration[first] + configuration[count]))
        }
        func single(_ option: Option<Int>) -> [Int] { configuration[option] == 0 ? [] : [configuration[option]] }
        let ftp = configuration[Options.FTP.address]
        switch daemon {
        case .ffsauthd:
            let ports = range(Options.Auth.basePort, Options.Auth.portCount)
            return [(Options.Auth.basePort.key, configuration[Options.Auth.address], ports)]
        case .ffspiped:
            guard daemons.contains(.ffsauthd) else { return [] }
            let ports = range(Options.Pipeline.basePort, Options.Pipeline.portCount)
            return [(Options.Pipeline.basePort.key, configuration[Options.Pipeline.address], ports)]
        case .ffsstaged:
            let ports = range(Options.Staging.basePort, Options.Staging.portCount)
            return [(Options.Staging.basePort.key, configuration[Options.Staging.address], ports)]
        case .ffsftpd:
            return [Options.FTP.port, Options.FTP.implicitPort, Options.FTP.httpsPort].map { ($0.key, ftp, single($0)) }
        case .ffswebd:
            let relay = configuration[Options.Web.relayAddress]
            return [(Options.Web.port.key, configuration[Options.Web.address], single(Options.Web.port))]
                + (relay.isEmpty
                    ? []
                    : [
                        (
                            Options.Web.relayBasePort.key, relay,
                            range(Options.Web.relayBasePort, Options.Web.relayPortCount)
                        )
                    ])
        }
    }

    // MARK: Links

    /// A link that this host asks on, or answers on: asked there it shows whether daemon and files agree.
    private struct Ask: Sendable {
        let link: Link
        let daemon: DaemonName
        let option: String
        let host: String
        let ports: ClosedRange<Int>
    }

    private var links: [Ask] {
        func ask(
            _ link: Link, _ daemon: DaemonName, _ host: Option<String>, _ first: Option<Int>, _ count: Option<Int>
        ) -> Ask? {
            guard !configuration[host].isEmpty else { return nil }
            let ports = configuration[first]...(configuration[first] + configuration[count] - 1)
            return Ask(link: link, daemon: daemon, option: host.key, host: configuration[host], ports: ports)
        }
        let web = daemons.contains(.ffswebd)
        var links: [Ask?] = []
        if web || daemons.contains(.ffsauthd) {
            links.append(
                ask(
                    .webInternal, web ? .ffswebd : .ffsauthd, Options.Auth.address, Options.Auth.basePort,
                    Options.Auth.portCount))
        }
        if web || daemons.contains(.ffsstaged) {
            links.append(
                ask(
                    .webStorage, web ? .ffswebd : .ffsstaged, Options.Staging.address, Options.Staging.basePort,
                    Options.Staging.portCount))
        }
        if daemons.contains(.ffsftpd), configuration[Options.FTP.customerSignIn] != .off {
            links.append(
                ask(
                    .storageWeb, .ffsftpd, Options.FTP.relayHost, Options.Web.relayBasePort, Options.Web.relayPortCount)
            )
        }
        return links.compactMap { $0 }
    }

    private func ping(_ ask: Ask) async -> [Finding] {
        let subject = "link \(ask.link.rawValue)"
        let addresses = await onOwnThread { Probes.addresses(ofHost: ask.host, port: 0) }
        guard let address = addresses.first else {
            return [
                Finding(
                    ask.daemon, .error, ask.option,
                    "the name \(ask.host) does not resolve: correct \(ask.option), or the name service of this host (getent hosts \(ask.host))"
                )
            ]
        }
        // A server that listens everywhere answers at home.
        let isEverywhere = address.bytes.allSatisfy { $0 == 0 }
        let host = isEverywhere ? (address.bytes.count == 4 ? "127.0.0.1" : "::1") : ask.host
        let silent = Logger(label: "check") { _ in SwiftLogNoOpLogHandler() }
        do {
            let bags = try KeyBagStore(
                directory: configuration[Options.Keys.directory], link: ask.link, local: configuration.localNode,
                peer: ask.link == .webStorage ? configuration[Options.Staging.node].given : nil, allowTestKeys: true,
                logger: silent)
            var settings = CommlinkSettings(configuration)
            settings.helloTimeout = 1
            settings.patience = Self.requestSeconds
            let client = CommlinkClient(
                link: ask.link, host: host, ports: ask.ports, bags: bags, settings: settings, logger: silent)
            let before = SystemClock.now()
            let reply = try await client.send(Ping())
            await client.close()
            let apart = abs(reply.time.seconds - before.seconds)
            guard apart <= 60 else {
                return [
                    Finding(
                        ask.daemon, .error, subject,
                        "the clocks of this host and of \(ask.host) are \(apart) s apart: set both by NTP (timedatectl)"
                    )
                ]
            }
            return [Finding(ask.daemon, .ok, subject, "\(reply.daemon) \(reply.version) on \(ask.host) answers")]
        } catch {
            return [
                Finding(
                    ask.daemon, .error, subject, error.text,
                    isOutage: error.code == .unreachable && !Self.isRefusal(error))
            ]
        }
    }

    /// A refused handshake is not an outage: keys or settings must be mended.
    private static func isRefusal(_ failure: Failure) -> Bool { failure.text.contains("refused the handshake") }
}
