import TestSupport
import Testing

/// One ffsftpd for all rows of a suite: rows that change nothing but files of their own.
struct SharedFTPServer: SuiteTrait, TestScoping {
    private struct Running {
        let server: FTPServer
        let daemon: DaemonProcess
    }

    @TaskLocal private static var current: Running?

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        let server = try FTPServer()
        try await server.run { daemon in
            try await Self.$current.withValue(Running(server: server, daemon: daemon)) { try await function() }
        }
    }

    /// One case of a Python client against it.
    static func play(_ script: String, _ name: String) async throws {
        guard let current else { throw TestFailure("the suite lacks the trait .ftpServer") }
        try await current.server.play(script, [name], against: current.daemon)
    }
}

extension Trait where Self == SharedFTPServer {
    static var ftpServer: Self { SharedFTPServer() }
}
