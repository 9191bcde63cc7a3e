import FFSModel
import Glibc
import SystemSupport
import TestSupport
import Testing

@testable import Repository

/// What may not be in a source is named, all of it at once, before a byte is copied.
@Suite struct RefusalTests {
    @Test func whatIsNoPlainFileIsRefusedByName() async throws {
        let fixture = try await Fixture()
        try fixture.write("fine", "1")
        try fixture.write("sub/root", "2")
        try Files.setMode(0o4755, of: "\(fixture.source)/sub/root")
        try fixture.write("sub/group", "3")
        try Files.setMode(0o2755, of: "\(fixture.source)/sub/group")
        let make = """
            ln -s fine link && ln -s /etc folder-link && ln -s nowhere dangling && mkfifo pipe && \
            python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
            """
        try await command("sh", "-c", make, directory: fixture.source).succeeded()
        if Fixture.isRoot { try await command("mknod", "\(fixture.source)/null", "c", "1", "3").succeeded() }

        let refused = try failure { try fixture.publish() }
        #expect(refused.code == .badRequest)
        for text in [
            "link is a symbolic link", "folder-link is a symbolic link", "dangling is a symbolic link",
            "pipe is a FIFO", "socket is a socket", "sub/root is set-user-id", "sub/group is set-user-id",
        ] { #expect(refused.text.contains(text), "\(refused.text)") }
        if Fixture.isRoot { #expect(refused.text.contains("null is a character device")) }
        #expect(!refused.text.contains("fine is"))
        try fixture.expectUntouched()
    }

    @Test func manyFaultsAreCountedNotListed() async throws {
        let fixture = try await Fixture()
        for number in 0..<30 { _ = symlink("x", "\(fixture.source)/link\(number)") }
        let refused = try failure { try fixture.publish() }
        #expect(refused.text.contains("; and 20 more"))
    }

    @Test(arguments: [
        ("tab\there", "control character"), ("line\nfeed", "control character"), ("return\r\n", "control character"),
        ("escape\u{1B}[31m", "control character"), ("delete\u{7F}", "control character"),
    ])
    func namesThatForgeListingsAreRefused(name: String, rule: String) async throws {
        let fixture = try await Fixture()
        try fixture.write("sub/\(name)", "1")
        let refused = try failure { try fixture.publish() }
        #expect(refused.code == .badRequest && refused.text.contains(rule) && refused.text.contains("sub/"))
        // The message itself must not carry the name's control characters to a terminal.
        #expect(!refused.description.utf8.contains { $0 < 0x20 || $0 == 0x7F })
        try fixture.expectUntouched()
    }

    @Test func aPathThatIsTooLongIsRefused() async throws {
        let fixture = try await Fixture()
        // Deeper than any path can say: made step by step from open directories.
        let name = CPath(String(repeating: "d", count: 250))
        var folder = try Descriptor.open(CPath(fixture.source), [.read, .directory])
        for _ in 0..<20 {
            try folder.makeDirectory(name, permissions: 0o755)
            folder = try folder.open(name, [.read, .directory])
        }
        try folder.writeFile("deep", [1], permissions: 0o644, durable: false)
        let refused = try failure { try fixture.publish() }
        #expect(refused.code == .badRequest && refused.text.contains("4,095 bytes") && refused.text.utf8.count < 1_000)
        try fixture.expectUntouched()
    }

    @Test(arguments: [
        (String(repeating: "n", count: 256), FailureCode.badRequest),
        (String(repeating: "p/", count: 2_500), .badRequest),
        ("missing", .notFound), ("file/below", .badRequest), ("", .badRequest),
    ])
    func sourcesThatAreNotThereAreToldApart(path: String, code: FailureCode) async throws {
        let fixture = try await Fixture()
        try fixture.write("file", "1")
        let refused = try failure { try fixture.publish(from: path.isEmpty ? "" : "\(fixture.source)/\(path)") }
        #expect(refused.code == code, "\(refused)")
        #expect(refused.text.utf8.count < 6_000)
        try fixture.expectUntouched()
    }

    @Test func aLinkToAFolderIsNotFollowed() async throws {
        let fixture = try await Fixture()
        try fixture.write("a", "1")
        _ = symlink(fixture.source, "\(fixture.top)/link")
        let refused = try failure { try fixture.publish(from: "\(fixture.top)/link") }
        #expect(refused.code == .badRequest && refused.text.contains("a symbolic link; name its target"))
        let device = try failure { try fixture.publish(from: "/dev/null") }
        #expect(device.text.contains("/dev/null is a character device"))
    }

    @Test func aFolderWithoutFilesIsRefused() async throws {
        let fixture = try await Fixture()
        try Files.makeDirectory("\(fixture.source)/sub/sub")
        let refused = try failure { try fixture.publish() }
        #expect(refused.code == .badRequest && refused.text.contains("holds no files"))
    }

    @Test func theRepositoryItselfIsNoSource() async throws {
        let fixture = try await Fixture()
        try fixture.write("a", "1")
        let refused = try failure { try fixture.publish(from: fixture.top) }
        #expect(refused.code == .badRequest && refused.text.contains("which is FFS"))
        try fixture.expectUntouched()
    }

    @Test(.enabled(if: Fixture.isNotRoot)) func anUnreadableFileIsNamedBeforeAnythingIsCopied() async throws {
        let fixture = try await Fixture()
        try fixture.write("fine", "1")
        try fixture.write("sub/secret", "2")
        try Files.setMode(0, of: "\(fixture.source)/sub/secret")
        let refused = try failure { try fixture.publish() }
        #expect(refused.code == .badRequest && refused.text.contains("sub/secret is unreadable"))
        try fixture.expectUntouched()
    }

    @Test func aMissingRepositoryIsNamed() throws {
        let missing = try failure { _ = try Repository(path: "/nonexistent/repository", owner: nil) }
        #expect(missing.code == .notFound && missing.text.contains("/nonexistent/repository"))
        let file = try failure { _ = try Repository(path: "/etc/passwd", owner: nil) }
        #expect(file.text.contains("/etc/passwd"))
    }

    @Test(arguments: ["/proc/self/environ", "/proc/sys", "/sys/kernel", "/proc/version"])
    func theKernelsFilesAreRefused(path: String) async throws {
        let fixture = try await Fixture()
        let refused = try failure { try fixture.publish(from: path) }
        #expect(refused.code == .badRequest && refused.text.contains("on the kernel's own file system"), "\(refused)")
        try fixture.expectUntouched()
    }

    /// Accounts hold others' products and secrets; so do FFS's other folders.
    @Test func whatIsFFSsOwnIsRefused() async throws {
        let fixture = try await Fixture()
        let area = "\(fixture.top)/accounts"
        try Files.makeDirectory("\(area)/abcdefghij234567/root/tool-1.0")
        try Files.write("x", to: "\(area)/abcdefghij234567/root/tool-1.0/a")
        try Files.write("x", to: "\(area)/abcdefghij234567/record")
        try Files.makeDirectory("\(fixture.top)/other")
        try Files.write("x", to: "\(fixture.top)/other/a")
        for path in [
            area, "\(area)/abcdefghij234567", "\(area)/abcdefghij234567/root", "\(area)/abcdefghij234567/record",
            "\(area)/abcdefghij234567/root/tool-1.0/a", "\(fixture.top)/repository/objects", fixture.top,
        ] {
            let refused = try failure {
                _ = try fixture.repository.publish(
                    try SourceTree(path: path), as: fixture.item(), avoiding: ["\(fixture.top)/none", area]
                ) { _ in true }
            }
            #expect(refused.code == .badRequest, "\(path): \(refused)")
            #expect(
                refused.text.contains("FFS's own") || refused.text.contains("holds no files"), "\(path): \(refused)")
        }
        #expect(try fixture.repository.versions().isEmpty)
        _ = try fixture.repository.publish(
            try SourceTree(path: "\(fixture.top)/other"), as: fixture.item(), avoiding: [area]
        ) { _ in true }
    }

    /// A folder that turns into a link while the source is looked through is not entered: what lies behind it is not the
    /// operator's source.
    @Test func aFolderThatBecomesALinkMeanwhileIsNotEntered() async throws {
        let fixture = try await Fixture()
        try fixture.write("sub/inside", "1")
        try Files.makeDirectory("\(fixture.top)/elsewhere")
        try Files.write("2", to: "\(fixture.top)/elsewhere/outside")
        let (source, top) = (fixture.source, fixture.top)
        #expect(symlink("\(top)/elsewhere", "\(top)/link") == 0)
        let stop = Monitor(false)
        let isOver = Monitor(false)
        try SystemThread(name: "swapper") {
            while !stop.withLock({ $0 }) {
                for (from, to) in [
                    ("\(source)/sub", "\(top)/folder"), ("\(top)/link", "\(source)/sub"),
                    ("\(source)/sub", "\(top)/link"), ("\(top)/folder", "\(source)/sub"),
                ] { rename(from, to) }
            }
            isOver.withLock(wake: .all) { $0 = true }
        }.detach()
        defer {
            stop.withLock { $0 = true }
            isOver.wait { $0 ? () : nil }
        }
        var (seen, refused) = (0, 0)
        let end = ContinuousClock.now + .seconds(60)
        while seen < 300 || refused < 300, ContinuousClock.now < end {
            do {
                let names = try SourceTree(path: source).files.map { String(decoding: $0.path.bytes, as: UTF8.self) }
                #expect(names == ["sub/inside"])
                seen += 1
            } catch { refused += 1 }
        }
        #expect(seen > 0 && refused > 0)
    }

    /// In the index neither a product nor a version is a symbolic link: whoever made one is not followed.
    @Test func linksInTheIndexAreNotFollowed() async throws {
        let fixture = try await Fixture()
        try fixture.write("a", "1")
        try fixture.publish("1.0")
        let index = "\(fixture.top)/repository/index"
        #expect(symlink("1.0", "\(index)/tools/2.0") == 0)
        #expect(symlink("\(index)/tools/1.0", "\(index)/tools/3.0") == 0)
        #expect(symlink("tools", "\(index)/others") == 0)
        func opens(_ product: String, _ version: String) throws -> Bool {
            let item = Item(product: try ProductName(product), version: try VersionName(version))
            return (try? fixture.repository.openVersion(item).status()) != nil
        }
        #expect(try opens("tools", "1.0"))
        for (product, version) in [("tools", "2.0"), ("tools", "3.0"), ("others", "1.0")] {
            #expect(try !opens(product, version), "\(product) \(version)")
        }
    }
}
