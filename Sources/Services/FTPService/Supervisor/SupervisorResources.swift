import ConfigurationSchema
import FFSModel
import FTPProtocol
import SystemSupport

/// What the supervisor opens with the rights it was started with, and lends to its workers.
struct SupervisorResources {
    let area: Lent
    /// O_APPEND; nil when there is no transfer log.
    let transferLog: Lent?
    let listeners: [Listener]
    /// How long replaced workers may go on.
    let drainSeconds: Int

    /// A descriptor that workers inherit.
    final class Lent: Sendable {
        private let descriptor: Descriptor
        init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }
        var number: Int32 { descriptor.rawValue }
    }

    /// A listening socket, shared by all workers.
    struct Listener: Sendable {
        let kind: ListenerKind
        let socket: Lent
    }

    private static let backlog = 4_096

    init(_ configuration: Configuration, hasTLS: Bool) throws(Failure) {
        let path = configuration[Options.Staging.accounts]
        do throws(SystemError) { area = Lent(try Descriptor.open(CPath(path), [.read, .directory])) } catch {
            throw error.failure("cannot open the account area, staging.accounts", .configuration)
        }
        drainSeconds = configuration[Options.Common.drainSeconds]
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

    private static func openTransferLog(_ configuration: Configuration) throws(Failure) -> Lent? {
        guard configuration[Options.FTP.transferLog] else { return nil }
        let path = CPath("\(configuration[Options.Common.logDirectory])/xferlog")
        do throws(SystemError) {
            return Lent(try Descriptor.open(path, [.write, .create, .append], permissions: 0o640))
        } catch {
            throw error.failure(
                "cannot open the transfer log; set log.directory, or ftp.transfer-log to false", .configuration)
        }
    }

    private static func listen(_ configuration: Configuration, _ option: Option<Int>) throws(Failure) -> Lent {
        let text = configuration[Options.FTP.address]
        let port = configuration[option]
        guard let ip = IPAddress(text: text.utf8), let address = SocketAddress(ip, port: UInt16(port)) else {
            throw Failure(.configuration, "ftp.address: \(text) is not an address; use an address or ::")
        }
        do throws(SystemError) {
            return Lent(try Descriptor.listen(address, backlog: backlog, bothFamilies: ip.isUnspecified))
        } catch {
            throw .cannotListen(on: text, port: port, error.errno, option: option.key)
        }
    }
}
