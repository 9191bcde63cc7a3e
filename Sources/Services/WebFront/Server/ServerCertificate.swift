package import FFSModel
import NIOSSL
import Synchronization
import SystemSupport

/// The certificate and key that ffswebd shows, read anew on SIGHUP without dropping a connection.
package final class ServerCertificate: Sendable {
    /// What one reading of the files gave.
    struct Content: Sendable {
        let context: NIOSSLContext
        let leaf: [UInt8]
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

    package var identity: ServerIdentity {
        ServerIdentity(
            certificate: { self.content.withLock { $0.leaf } },
            isSelfSigned: { self.content.withLock { $0.isSelfSigned } })
    }

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
        return Content(context: context, leaf: PEM.encode(der), isSelfSigned: X509Names.areEqual(in: der))
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

enum PEM {
    /// RFC 7468: 64 characters a line.
    static func encode(_ der: [UInt8]) -> [UInt8] {
        let text = Base64.encode(der)
        var out = Array("-----BEGIN CERTIFICATE-----\n".utf8)
        for start in stride(from: 0, to: text.count, by: 64) {
            out += text[start..<min(start + 64, text.count)]
            out.append(UInt8(ascii: "\n"))
        }
        return out + Array("-----END CERTIFICATE-----\n".utf8)
    }
}

/// As much of X.509 (RFC 5280 §4.1) as tells whether a certificate names itself as its issuer.
enum X509Names {
    /// Whether issuer and subject are the same bytes; false for anything that does not read as a certificate.
    static func areEqual(in der: [UInt8]) -> Bool {
        var outer = der[...]
        guard var certificate = element(&outer)?.content, var body = element(&certificate)?.content else {
            return false
        }
        // tbsCertificate: [0] version, when not v1; serialNumber; signature; issuer; validity; subject.
        if body.first == 0xA0 { _ = element(&body) }
        _ = element(&body)
        _ = element(&body)
        let issuer = element(&body)
        _ = element(&body)
        guard let issuer, let subject = element(&body) else { return false }
        return issuer.content.elementsEqual(subject.content)
    }

    /// Takes one DER element off the front.
    private static func element(_ rest: inout ArraySlice<UInt8>) -> (tag: UInt8, content: ArraySlice<UInt8>)? {
        guard let tag = rest.popFirst(), let first = rest.popFirst() else { return nil }
        var length = Int(first)
        if first >= 0x80 {
            guard (1...3).contains(first & 0x7F) else { return nil }
            length = 0
            for _ in 0..<(first & 0x7F) {
                guard let byte = rest.popFirst() else { return nil }
                length = length << 8 | Int(byte)
            }
        }
        guard length <= rest.count else { return nil }
        let content = rest.prefix(length)
        rest = rest.dropFirst(length)
        return (tag, content)
    }
}
