import ConfigurationSchema
import FFSModel
import FTPProtocol
import SystemSupport

/// What the supervisor opens with the rights it was started with, and lends to its workers.
struct SupervisorResources {
    let area: LentDescriptor
    /// As it was at the start; ``openTransferLog(_:)`` after a reload.
    let transferLog: LentDescriptor?
    let listeners: [Listener]

    /// A listening socket, shared by all workers.
    struct Listener: Sendable {
        let kind: ListenerKind
        let socket: LentDescriptor
    }

    private static let backlog = 4_096

    init(_ configuration: Configuration, hasTLS: Bool) throws(Failure) {
        let path = configuration[Options.Staging.accounts]
        do throws(SystemError) { area = LentDescriptor(try Descriptor.open(CPath(path), [.read, .directory])) } catch {
            throw error.failure("cannot open the account area, staging.accounts", .configuration)
        }
        transferLog = try Self.openTransferLog(configuration)
        var wanted: [(ListenerKind, Option<Int>)] = [(.ftp, Options.FTP.port)]
        if hasTLS { wanted += [(.implicit, Options.FTP.implicitPort), (.https, Options.FTP.httpsPort)] }
        var listeners: [Listener] = []
        for (kind, option) in wanted where configuration[option] > 0 {
            listeners.append(Listener(kind: kind, socket: try Self.listen(configuration, option)))
        }
        guard !listeners.isEmpty else {
            throw Failure(.configuration, "every port is 0; set ftp.port, ftp.implicit-port or ftp.https-port")
        }
        self.listeners = listeners
    }

    /// For appending; made when it is not there, as after a rotation. nil when none is wanted.
    static func openTransferLog(_ configuration: Configuration) throws(Failure) -> LentDescriptor? {
        guard configuration[Options.FTP.transferLog] else { return nil }
        let path = CPath("\(configuration[Options.Common.logDirectory])/xferlog")
        do throws(SystemError) {
            return LentDescriptor(try Descriptor.open(path, [.write, .create, .append], permissions: 0o640))
        } catch {
            throw error.failure(
                "cannot open the transfer log; set log.directory, or ftp.transfer-log to false", .configuration)
        }
    }

    private static func listen(_ configuration: Configuration, _ option: Option<Int>) throws(Failure) -> LentDescriptor
    {
        let text = configuration[Options.FTP.address]
        let port = configuration[option]
        guard let ip = IPAddress(text: text.utf8), let address = TCPAddress(ip, port: UInt16(port)) else {
            throw Failure(.configuration, "ftp.address: \(text) is not an address; use an address or ::")
        }
        do throws(SystemError) {
            return LentDescriptor(try Descriptor.listen(address, backlog: backlog, bothFamilies: ip.isUnspecified))
        } catch {
            throw .cannotListen(on: text, port: port, error.errno, option: option.key)
        }
    }

    // MARK: Workers

    /// Starts a worker process whose channel's end is `channel`.
    func launch(
        _ column: Int, channel: Int32, transferLog: LentDescriptor?, counters: SharedCounters, running: SharedMemory,
        identity: (user: UInt32, group: UInt32)?
    ) throws(SystemError) -> ChildProcess {
        let arguments = WorkerProcess.Arguments(
            index: column, identity: identity, hasTransferLog: transferLog != nil, listeners: listeners.map(\.kind))
        let null = try Descriptor.open("/dev/null", [.readWrite])
        // One arena a thread would cost more memory than the few threads gain. Settings and secrets come by the channel.
        let environment =
            ["MALLOC_ARENA_MAX=2"]
            + ["LD_LIBRARY_PATH"].compactMap { name in environmentVariable(name).map { "\(name)=\($0)" } }
        return try ChildProcess.spawn(
            arguments: ["ffsftpd"] + arguments.words, environment: environment,
            descriptors: [
                channel, area.number, transferLog?.number ?? null.rawValue, counters.number, running.number,
            ] + listeners.map { $0.socket.number })
    }
}
