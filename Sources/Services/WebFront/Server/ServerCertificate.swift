package import FFSModel
import NIOSSL
import Synchronization
import SystemSupport

/// The certificate and key that ffswebd shows, read anew on SIGHUP without dropping a connection.
package final class ServerCertificate: Sendable {
    /// What one reading of the files gave.
    struct Content: Sendable {
        let context: NIOSSLContext
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
    var context: NIOSSLContext { content.withLock { $0.context } }

    /// Reads the files again; when that throws, what was read before stays in force.
    package func reload() throws(Failure) {
        let fresh = try Self.load(certificatePath, keyPath)
        content.withLock { $0 = fresh }
    }

    /// Whether browsers will warn of it.
    package var isSelfSigned: Bool { content.withLock { $0.isSelfSigned } }

    private static func load(_ certificatePath: String, _ keyPath: String) throws(Failure) -> Content {
        let chain: [NIOSSLCertificate]
        do { chain = try NIOSSLCertificate.fromPEMFile(certificatePath) } catch {
            throw Failure(
                .configuration,
                "cannot read a PEM certificate from \(certificatePath); put one there (install.sh makes a self-signed one) "
                    + "or set web.certificate", cause: "\(error)")
        }
        guard let leaf = chain.first, let der = try? leaf.toDERBytes() else {
            throw Failure(.configuration, "\(certificatePath) holds no certificate; put a PEM certificate there")
        }
        try checkMode(keyPath)
        let context: NIOSSLContext
        do {
            let key = try NIOSSLPrivateKey(file: keyPath, format: .pem)
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = ["http/1.1"]
            // Fails when key and certificate do not belong together.
            context = try NIOSSLContext(configuration: configuration)
        } catch {
            throw Failure(
                .configuration,
                "cannot use \(keyPath) with \(certificatePath): it must be the PEM private key of that certificate, readable "
                    + "by ffswebd's user (chown root:ffs, chmod 0640)", cause: "\(error)")
        }
        return Content(context: context, isSelfSigned: X509Names.areEqual(in: der))
    }

    private static func checkMode(_ path: String) throws(Failure) {
        let status: FileStatus
        do { status = try Descriptor.open(CPath(path), .read).status() } catch {
            throw Failure(
                .configuration,
                "cannot open the private key \(path): \(error); make it readable by ffswebd's user (chown root:ffs, chmod "
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
