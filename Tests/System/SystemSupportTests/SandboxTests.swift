import SystemSupport
import TestSupport
import Testing

/// What a worker can do no more, tried by a child of its own for each (sandbox-probe): a filter that lets one of these
/// pass is no filter.
@Suite struct SandboxTests {
    private func probe(_ words: String...) async throws -> Int32 {
        try await command([Project.program("sandbox-probe")] + words).status
    }

    @Test(arguments: ["execve", "ptrace", "unshare"])
    func endsWhoCalls(call: String) async throws {
        let status = try await probe("calls", call)
        #expect(status == 128 + 31, "SIGSYS ends who calls \(call); not \(status)")
    }

    @Test(arguments: ["local-socket", "process", "ftruncate", "fallocate", "mmap"])
    func refuses(call: String) async throws {
        #expect(try await probe("calls", call) == Errno.notPermitted.rawValue)
    }

    @Test(arguments: ["thread", "tcp", "sendfile", "append", "fdatasync"])
    func allows(call: String) async throws { #expect(try await probe("calls", call) == 0) }

    @Test func filesAreForReadingInOnePlace() async throws {
        let area = try TemporaryDirectory("sandbox")
        try Files.makeDirectory(area("d"))
        try Files.write("hello", to: area("d/f"))
        #expect(try await probe("files", area.path, "read", area("d/f")) == 0)
        #expect(try await probe("files", area.path, "read", area("d")) == 0)
        let denied = Errno.accessDenied.rawValue
        #expect(try await probe("files", area.path, "write", area("d/f")) == denied)
        #expect(try await probe("files", area.path, "make", "new") == denied)
        #expect(try await probe("files", area.path, "read", "/etc/passwd") == denied)
        #expect(try await probe("files", area.path, "read", area("..")) == denied)
        #expect(!Files.exists(area("new")))
    }
}
