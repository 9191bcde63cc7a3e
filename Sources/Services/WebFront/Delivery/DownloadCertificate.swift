import FFSModel
import NIOSSL

/// The certificate that the download server shows, for customers whose tools must be told to trust it.
package struct DownloadCertificate: Sendable, Hashable {
    /// The leaf in PEM.
    package let pem: [UInt8]
    /// Whether it vouches for itself, so that no client accepts it unasked.
    package let isSelfSigned: Bool

    package init(pem: [UInt8], isSelfSigned: Bool) {
        self.pem = pem
        self.isSelfSigned = isSelfSigned
    }

    /// The first certificate in the file at `path`; nil where this host has no such file, as a web host of its own may
    /// not: the pages then say nothing about certificates.
    package init?(file path: String) {
        guard let leaf = try? NIOSSLCertificate.fromPEMFile(path).first, let der = try? leaf.toDERBytes() else {
            return nil
        }
        self.init(pem: PEM.encode(der), isSelfSigned: X509Names.areEqual(in: der))
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
