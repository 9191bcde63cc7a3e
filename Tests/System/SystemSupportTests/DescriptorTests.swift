import FFSModel
import SystemSupport
import Testing

@Suite struct DescriptorTests {
    /// A directory that is removed with everything in it at the end.
    final class Scratch: Sendable {
        let directory: Descriptor
        private let name: CPath
        private let parent: Descriptor

        init() throws {
            name = CPath("ffs-descriptor-\(ID128.random())")
            parent = try Descriptor.open("/tmp", [.read, .directory])
            directory = try parent.ensureDirectory(name, permissions: 0o700)
        }

        deinit {
            for entry in (try? directory.entries()) ?? [] {
                if entry.kind == .directory {
                    try? directory.removeDirectory(entry.name)
                } else {
                    try? directory.unlink(entry.name)
                }
            }
            try? parent.removeDirectory(name)
        }
    }

    @Test func writesReadsAndLists() throws {
        let scratch = try Scratch()
        try scratch.directory.writeFile("b", Array("hello".utf8), permissions: 0o640, durable: true)
        try scratch.directory.makeDirectory("a", permissions: 0o755)
        #expect(try scratch.directory.readFile("b", limit: 100) == Array("hello".utf8))
        #expect(try scratch.directory.readFile("none", limit: 100) == nil)
        #expect(throws: SystemError.self) { try scratch.directory.readFile("b", limit: 4) }
        #expect(try scratch.directory.entries().map(\.name.description) == ["a", "b"])
        let status = try scratch.directory.status(of: "b")
        #expect(status.kind == .file && status.size == 5 && status.links == 1 && status.permissions == 0o640)
    }

    @Test func openFilesGetNamesOnce() throws {
        let scratch = try Scratch()
        let file = try scratch.directory.open("first", [.readWrite, .create], permissions: 0o600)
        try scratch.directory.link(openFile: file, as: "named")
        #expect(try scratch.directory.status(of: "named").links == 2)
        let error = #expect(throws: SystemError.self) { try scratch.directory.link(openFile: file, as: "named") }
        #expect(error?.errno == .exists)
    }

    @Test func errorsNameCallPathAndRemedy() throws {
        let error = #expect(throws: SystemError.self) { _ = try Descriptor.open("/nonexistent/x", .read).release() }
        #expect(
            error?.description == "open /nonexistent/x: No such file or directory; create it, or correct the path")
        #expect(error?.failure("cannot read it").code == .notFound)
    }

    @Test func symbolicLinksAreNotFollowed() throws {
        let scratch = try Scratch()
        let link = try Descriptor.open("/proc/self/cwd", [.pathOnly, .noFollow])
        #expect(try link.status().kind == .symbolicLink)
        let error = #expect(throws: SystemError.self) {
            _ = try Descriptor.open("/proc/self", [.read, .directory]).open("cwd", .read).release()
        }
        #expect(error?.errno == .symbolicLink)
        let escape = #expect(throws: SystemError.self) {
            _ = try scratch.directory.open("../etc/passwd", .read, rules: [.beneath, .noSymbolicLinks]).release()
        }
        #expect(escape?.errno == .crossDevice)
    }

    @Test func renameRefusesToReplace() throws {
        let scratch = try Scratch()
        try scratch.directory.writeFile("a", [1], permissions: 0o600, durable: false)
        try scratch.directory.writeFile("b", [2], permissions: 0o600, durable: false)
        let error = #expect(throws: SystemError.self) {
            try scratch.directory.rename("a", to: scratch.directory, "b", ifExists: .refuse)
        }
        #expect(error?.errno == .exists)
        try scratch.directory.rename("a", to: scratch.directory, "b", ifExists: .replace)
        #expect(try scratch.directory.readFile("b", limit: 9) == [1])
    }

    @Test func holesAreFound() throws {
        let scratch = try Scratch()
        let file = try scratch.directory.open("sparse", [.readWrite, .create], permissions: 0o600)
        try file.truncate(to: 1 << 20)
        #expect(try file.dataRange(from: 0) == nil)
    }

    @Test func monitorHandsOverBetweenThreads() throws {
        let monitor = Monitor<Int>(0)
        let thread = try SystemThread(name: "test") { monitor.withLock(wake: .all) { $0 = 7 } }
        #expect(monitor.wait { $0 == 7 ? true : nil })
        thread.join()
        #expect(monitor.wait(timeout: 1_000_000) { $0 == 8 ? true : nil } == nil)
    }

    @Test func usersAreFound() throws {
        #expect(try SystemUser(named: "root")?.user == 0)
        #expect(try SystemUser(named: "no-such-user-here") == nil)
        #expect(try SystemUser(number: 0)?.name == "root")
    }
}
