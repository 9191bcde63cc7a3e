import Glibc
import SystemSupport
import TLSEngine
import Testing

/// A self-signed certificate and its key, made once for the run by openssl(1) as install.sh does.
enum TestCertificate {
    static let pem: (certificate: [UInt8], key: [UInt8]) = make("rsa:2048")
    static let other: (certificate: [UInt8], key: [UInt8]) = make("rsa:2048")

    private static func make(_ kind: String) -> (certificate: [UInt8], key: [UInt8]) {
        var template = Array("/tmp/ffs-tls-XXXXXX".utf8CString)
        let directory = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
        defer { Glibc.system("rm -rf \(directory)") }
        Glibc.system(
            "openssl req -x509 -newkey \(kind) -nodes -days 2 -subj /CN=localhost -keyout \(directory)/key.pem -out \(directory)/cert.pem 2>/dev/null"
        )
        return (read("\(directory)/cert.pem"), read("\(directory)/key.pem"))
    }

    private static func read(_ path: String) -> [UInt8] {
        guard let file = fopen(path, "r") else { return [] }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        return Array(bytes[..<fread(&bytes, 1, bytes.count, file)])
    }

    static func credentials() throws -> TLSCredentials {
        try TLSCredentials(certificatePEM: pem.certificate, privateKeyPEM: pem.key)
    }
}

/// Two connections over memory, ciphertext carried by hand.
struct Pair {
    let server: TLSConnection
    let client: TLSConnection

    /// Moves all ciphertext both ways.
    func carry() {
        for (from, to) in [(client, server), (server, client)] {
            var buffer = [UInt8](repeating: 0, count: from.pendingOutput)
            let count = buffer.withUnsafeMutableBytes { from.drain(into: $0) }
            buffer[..<count].withUnsafeBytes { to.feed($0) }
        }
    }

    func handshake() throws {
        for _ in 0..<10 {
            _ = try client.handshake()
            carry()
            _ = try server.handshake()
            carry()
            if client.isEstablished, server.isEstablished { return }
        }
        Issue.record("the handshake does not end")
    }

    func send(_ text: String, from: TLSConnection, to: TLSConnection) throws -> String {
        _ = try Array(text.utf8).withUnsafeBytes { try from.write($0) }
        carry()
        var buffer = [UInt8](repeating: 0, count: 1_000)
        guard case .bytes(let count) = try buffer.withUnsafeMutableBytes({ try to.read(into: $0) }) else { return "" }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }
}
