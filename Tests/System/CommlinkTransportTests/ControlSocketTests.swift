import FFSModel
import Glibc
import Requests
import TestSupport
import Testing
import Tobj

@testable import CommlinkTransport

@Suite("control sockets", .timeLimit(.minutes(1)))
struct ControlSocketTests {
    private struct Running {
        let directory: TemporaryDirectory
        let path: String
        let server: ControlServer
        let task: Task<Void, any Error>

        init(_ table: RequestTable) async throws {
            directory = try TemporaryDirectory()
            path = directory("ffstest.sock")
            let server = ControlServer(path: path, table: table, logger: quiet)
            try await server.bind()
            self.server = server
            task = Task { try await server.run() }
        }

        func stop() async throws {
            server.shutdown()
            try await task.value
        }
    }

    @Test("requests from one client after the other; mode 0660; gone after the end")
    func serves() async throws {
        let ledger = Ledger()
        let running = try await Running(table(ledger))
        #expect(try Files.mode(running.path) == 0o660)
        let client = ControlClient(path: running.path)
        #expect(try await client.send(Ping()).daemon == "ffstest")
        let id = RequestID.random()
        #expect(try await client.send(change(), id: id).generation == 1)
        #expect(try await client.send(change(), id: id).generation == 1)
        #expect(ledger.total == 1)
        let large = try await client.send(AuthEntitlements(customer: CustomerName("acme")))
        #expect(large.entitlements.count == 200)
        try await running.stop()
        #expect(!Files.exists(running.path))
        await #expect { _ = try await client.send(Ping()) } throws: { ($0 as? Failure)?.code == .unreachable }
    }

    @Test("shutdown answers what is under way")
    func drain() async throws {
        let ledger = Ledger()
        let running = try await Running(table(ledger))
        let client = ControlClient(path: running.path)
        async let reply = client.send(change("wait"))
        try await ledger.begun(1)
        running.server.shutdown()
        ledger.release()
        try await running.stop()
        #expect(try await reply.generation == 1)
    }

    @Test("a socket that a killed daemon left is replaced; that of a running one is not")
    func stale() async throws {
        let running = try await Running(table(Ledger()))
        let second = ControlServer(path: running.path, table: table(Ledger()), logger: quiet)
        await #expect { try await second.bind() } throws: { error in
            (error as? Failure)?.code == .configuration && "\(error)".contains("runs already")
        }
        _ = try await ControlClient(path: running.path).send(Ping())
        try await running.stop()
        // A file that nobody listens on.
        let left = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(running.path.utf8)) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(left, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        close(left)
        #expect(bound == 0 && Files.exists(running.path))
        try await second.bind()
        let task = Task { try await second.run() }
        _ = try await ControlClient(path: running.path).send(Ping())
        second.shutdown()
        try await task.value
    }

    @Test("another user is refused, even where the socket's mode lets them in", .enabled(if: geteuid() == 0))
    func strangers() async throws {
        let running = try await Running(table(Ledger()))
        try Files.setMode(0o755, of: running.directory.path)
        let ask = """
            import socket, sys
            s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
            s.sendall(b'<tobj type="ping" id="0123456789abcdef0123456789abcdef" v="1"/>\\n')
            print(s.recv(4096).decode(), end="")
            """
        func nobody() async throws -> CommandResult {
            try await command(
                "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "/usr/bin/python3", "-c", ask,
                running.path)
        }
        #expect(try await nobody().errorOutput.contains("PermissionError"))
        try Files.setMode(0o666, of: running.path)
        let refused = try await nobody()
        // The connection was made, and ended without an answer.
        #expect(refused.output.isEmpty && !refused.errorOutput.contains("PermissionError"), "\(refused)")
        // A member of the socket's group is served.
        #expect(chown(running.path, 0, 65_534) == 0)
        let served = try await nobody()
        #expect(served.output.contains("ping.reply"), "\(served)")
        try await running.stop()
    }

    @Test("garbage gets an error line; an endless line ends the connection")
    func garbage() async throws {
        let running = try await Running(table(Ledger()))
        let path = running.path
        let ask = """
            import socket, sys
            s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
            s.sendall(b'hello\\n'); print(s.recv(4096).decode(), end="")
            try:
                s.sendall(b'x' * (1 << 21))
                print(len(s.recv(1)))
            except OSError: print(0)
            """
        let result = try await command("/usr/bin/python3", "-c", ask, path).succeeded()
        #expect(result.output.contains("code=\"bad-request\""))
        #expect(result.output.lines.last == "0")
        try await running.stop()
    }
}
