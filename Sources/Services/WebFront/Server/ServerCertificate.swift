package import FFSModel
import Synchronization
import SystemSupport
import TLSEngine

/// The certificate and key that ffswebd shows, read anew on SIGHUP without dropping a connection.
package final class ServerCertificate: Sendable {
    /// What one reading of the files gave.
    struct Content: Sendable {
        let context: TLSContext
        let isSelfSigned: Bool
    }

    private let certificatePath: String
    private let keyPath: String
    private let content: Mutex<Content>

    /// Throws `configuration`, naming the file and the remedy, unless both can be used together.
    package init(certificate: String, key: String) throws(Failure) {
        certificatePath = certificate
        keyPath = key
        content = Mutex(try Self.load(certificate, key))
    }

    /// For the next connection's handshake.
    var context: TLSContext { content.withLock { $0.context } }

    /// Reads the files again; when that throws, what was read before stays in force.
    package func reload() throws(Failure) {
        let fresh = try Self.load(certificatePath, keyPath)
        content.withLock { $0 = fresh }
    }

    /// Whether browsers will warn of it.
    package var isSelfSigned: Bool { content.withLock { $0.isSelfSigned } }

    private static func load(_ certificatePath: String, _ keyPath: String) throws(Failure) -> Content {
        guard let chain = try? Descriptor.open(CPath(certificatePath), .read).readAll(limit: 1 << 20),
            let der = PEM.leaf(chain)
        else {
            throw Failure(
                .configuration,
                "cannot read a PEM certificate from \(certificatePath); put one there (install.sh makes a self-signed one) "
                    + "or set web.certificate")
        }
        try checkMode(keyPath)
        do {
            let key = try Descriptor.open(CPath(keyPath), .read).readAll(limit: 1 << 20) ?? []
            // Fails when key and certificate do not belong together.
            let credentials = try TLSCredentials(certificatePEM: chain, privateKeyPEM: key)
            return Content(
                context: try TLSContext(server: [credentials], protocols: ["http/1.1"]),
                isSelfSigned: X509Names.areEqual(in: der))
        } catch {
            throw Failure(
                .configuration,
                "cannot use \(keyPath) with \(certificatePath): it must be the PEM private key of that certificate, readable "
                    + "by ffswebd's user (chown root:ffsweb, chmod 0640)", cause: "\(error)")
        }
    }

    private static func checkMode(_ path: String) throws(Failure) {
        let status: FileStatus
        do { status = try Descriptor.open(CPath(path), .read).status() } catch {
            throw Failure(
                .configuration,
                "cannot open the private key \(path): \(error); make it readable by ffswebd's user (chown root:ffsweb, chmod "
                    + "0640) or set web.private-key")
        }
        guard status.permissions & 0o027 == 0 else {
            throw Failure(
                .configuration,
                "the private key \(path) has mode 0\(String(status.permissions, radix: 8)), so others could read or change "
                    + "it: chmod 0640 \(path)")
        }
    }
}
