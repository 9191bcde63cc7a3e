import ConfigurationSchema
import FFSModel
import NIOCore
import Synchronization
import SystemSupport

/// The listening sockets, opened while the daemon may still be root and handed to the server afterwards.
final class ListeningSockets: Sendable {
    struct Socket: Sendable {
        let descriptor: Int32
        let isSecure: Bool
        /// For the log.
        let name: String
    }

    /// Connections that the kernel holds until they are accepted.
    static let backlog: Int32 = 4_096

    private let opened: Mutex<[Socket]>

    init() { opened = Mutex([]) }

    /// Opens the HTTPS port, and the plain one where it is wanted. Throws `configuration` naming the port.
    func open(_ configuration: Configuration) throws(Failure) {
        _ = try TrustedProxies(configuration)
        let address = configuration[Options.Web.address]
        let secure = try Self.listen(
            address, configuration[Options.Web.port], option: "web.port", name: "https", isSecure: true)
        var sockets = [secure]
        let plain = configuration[Options.Web.plainPort]
        if plain > 0 {
            sockets.append(
                try Self.listen(
                    configuration[Options.Web.plainAddress], plain, option: "web.plain-port", name: "http",
                    isSecure: false))
        }
        opened.withLock { [sockets] in $0 = sockets }
    }

    /// Gives the sockets away, once.
    func take() -> [Socket] {
        opened.withLock { opened in
            defer { opened = [] }
            return opened
        }
    }

    private static func listen(
        _ address: String, _ port: Int, option: String, name: String, isSecure: Bool
    ) throws(Failure) -> Socket {
        guard let parsed = try? NIOCore.SocketAddress(ipAddress: address, port: port),
            let place = TCPAddress(bytes: parsed.octets, port: UInt16(port))
        else {
            throw Failure(
                .configuration,
                "\(isSecure ? "web.address" : "web.plain-address") must be an IPv4 or IPv6 address, not \(address)")
        }
        do {
            let socket = try Descriptor.listen(place, backlog: Int(backlog), bothFamilies: true)
            return Socket(descriptor: socket.release(), isSecure: isSecure, name: "\(name) on \(address) port \(port)")
        } catch { throw .cannotListen(on: address, port: port, error.errno, option: option) }
    }
}
