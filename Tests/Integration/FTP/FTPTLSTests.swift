import TestSupport
import Testing

/// Certificates and TLS sessions of the running daemon (Clients/ftp_tls.py).
@Suite(.serialized) struct FTPTLSTests {
    @Test func certificates() async throws {
        try await FTPServer.play(
            "ftp_tls", "server_names", "exchange",
            settings: ["ftp.more-certificates": "{tls}/files.pem:{tls}/files.key, {tls}/wild.pem"])
    }

    @Test func whatIsAgreed() async throws {
        try await FTPServer.play("ftp_tls", "protocols", "words", "every_end_is_told")
    }

    @Test(arguments: ["off", "allow", "require"], ["off", "allow", "require"])
    func levels(control: String, data: String) async throws {
        try await FTPServer.play(
            "ftp_tls", "levels", settings: ["ftp.tls-control": control, "ftp.tls-data": data])
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
