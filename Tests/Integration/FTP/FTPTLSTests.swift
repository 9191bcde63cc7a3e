import TestSupport
import Testing

/// Certificates and TLS sessions of the running daemon (Clients/ftp_tls.py).
@Suite(.serialized) struct FTPTLSTests {
    @Test func certificates() async throws {
        try await FTPServer.play(
            "ftp_tls", "server_names", "exchange",
            settings: ["ftp.more-certificates": "{tls}/files.pem:{tls}/files.key, {tls}/wild.pem"])
    }

    @Test(arguments: ["off", "prefer", "require"])
    func resumption(reuse: String) async throws {
        try await FTPServer.play(
            "ftp_tls", "resumption", "command_line", settings: ["ftp.tls-reuse": reuse, "ftp.workers": "1"])
    }

    @Test func handshakeBeforeTheCommand() async throws {
        try await FTPServer.play("ftp_tls", "early", settings: ["ftp.tls-reuse": "require", "ftp.data-timeout": "3"])
    }
}
