/// Certificates as text, RFC 7468.
package enum PEM {
    /// 64 characters a line.
    package static func encode(_ der: [UInt8]) -> [UInt8] {
        let text = Base64.encode(der)
        var out = Array("-----BEGIN CERTIFICATE-----\n".utf8)
        for start in stride(from: 0, to: text.count, by: 64) {
            out += text[start..<min(start + 64, text.count)]
            out.append(UInt8(ascii: "\n"))
        }
        return out + Array("-----END CERTIFICATE-----\n".utf8)
    }

    /// The DER of the first certificate in `text`; nil when there is none.
    package static func leaf(_ text: [UInt8]) -> [UInt8]? {
        // OpenSSL takes white space at the end of a line.
        let lines = text.split(separator: 0x0A).map { line in
            line[..<(line.lastIndex { ![0x0D, 0x20, 0x09].contains($0) }.map { $0 + 1 } ?? line.startIndex)]
        }
        guard let begin = lines.firstIndex(where: { $0.elementsEqual("-----BEGIN CERTIFICATE-----".utf8) }),
            let end = lines[begin...].firstIndex(where: { $0.elementsEqual("-----END CERTIFICATE-----".utf8) })
        else { return nil }
        return Base64.decode(Array(lines[(begin + 1)..<end].joined()))
    }
}

/// As much of X.509 (RFC 5280 §4.1) as tells whether a certificate names itself as its issuer.
package enum X509Names {
    /// Whether issuer and subject are the same bytes; false for anything that does not read as a certificate.
    package static func areEqual(in der: [UInt8]) -> Bool {
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
