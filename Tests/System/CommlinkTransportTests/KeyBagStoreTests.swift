import Commlink
import FFSModel
import Glibc
import Requests
import TestSupport
import Testing

@testable import CommlinkTransport

@Suite("key bag files")
struct KeyBagStoreTests {
    private func complaint(_ directory: KeyDirectory, allowTestKeys: Bool = false) -> String? {
        do {
            _ = try directory.store(allowTestKeys: allowTestKeys)
            return nil
        } catch {
            #expect((error as? Failure)?.code == .configuration)
            return "\(error)"
        }
    }

    @Test("each mode that lets others in is refused with its remedy", arguments: [0o644, 0o660, 0o604, 0o750, 0o4640])
    func modes(_ mode: mode_t) throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        #expect(complaint(directory) == nil)
        chmod("\(directory.path)/web-internal", mode)
        #expect(complaint(directory)?.contains("chmod 0640") == true)
    }

    @Test("modes that are right", arguments: [0o400, 0o440, 0o600, 0o640] as [mode_t])
    func rightModes(_ mode: mode_t) throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        chmod("\(directory.path)/web-internal", mode)
        #expect(complaint(directory) == nil)
    }

    @Test("a symbolic link, a second hard link, a directory, a FIFO, another's file, no file: each named")
    func kinds() throws {
        let directory = try KeyDirectory()
        let path = "\(directory.path)/web-internal"
        #expect(complaint(directory)?.contains("ffsctl keys generate") == true)
        try directory.writeBag()
        link(path, "\(path).second")
        #expect(complaint(directory)?.contains("hard links") == true)
        unlink(path)
        symlink("\(path).second", path)
        #expect(complaint(directory)?.contains("symbolic link") == true)
        unlink(path)
        unlink("\(path).second")
        mkdir(path, 0o700)
        #expect(complaint(directory)?.contains("not a regular file") == true)
        rmdir(path)
        mkfifo(path, 0o600)
        #expect(complaint(directory)?.contains("not a regular file") == true)
        unlink(path)
        if geteuid() == 0 {
            try directory.writeBag()
            chown(path, 65_534, 0)
            #expect(complaint(directory)?.contains("chown root:ffs-web-internal") == true)
            // The directory's group: the users of every link.
            chown(directory.path, 0, 65_534)
            chown(path, 0, 65_534)
            chmod(path, 0o640)
            #expect(complaint(directory)?.contains("chown root:ffs-web-internal") == true)
            chmod(path, 0o600)
            #expect(complaint(directory) == nil)
        }
    }

    @Test("a directory in which others could exchange files is refused")
    func directoryMode() throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        chmod(directory.path, 0o770)
        #expect(complaint(directory)?.contains("chmod 0750") == true)
        chmod(directory.path, 0o750)
        #expect(complaint(directory) == nil)
    }

    @Test("an even bag, a damaged one, the bag of another link: refused by name")
    func contents() throws {
        let directory = try KeyDirectory()
        let bag = try directory.writeBag()
        let text = String(decoding: bag.serialized(), as: UTF8.self)
        directory.write(Array(text.replacing("keys 127", with: "keys 126").utf8))
        #expect(complaint(directory)?.contains("even") == true)
        directory.write(Array(text.replacing("created 1970", with: "created 1971").utf8))
        #expect(complaint(directory)?.contains("sha256") == true)
        directory.write(Array(text.dropLast(10).utf8))
        #expect(complaint(directory)?.contains("cut short") == true)
        directory.write([])
        #expect(complaint(directory)?.contains("not a key bag") == true)
        try directory.writeBag(link: "web-storage")
        #expect(complaint(directory)?.contains("web-storage") == true)
    }

    @Test("a test bag needs --allow-test-keys")
    func testBag() throws {
        let directory = try KeyDirectory()
        let vectors = try Files.read("\(Project.root)/Tests/Protocols/CommlinkTests/Vectors/ffs2.json")
        let start = try #require(vectors.firstRange(of: "\"keybag\": \"")).upperBound
        let end = try #require(vectors[start...].firstIndex(of: "\""))
        directory.write(Array(vectors[start..<end].replacing("\\n", with: "\n").utf8))
        #expect(complaint(directory)?.contains("--allow-test-keys") == true)
        #expect(complaint(directory, allowTestKeys: true) == nil)
    }

    @Test("generate, stage, activate, retire: what is live at each step")
    func life() throws {
        let directory = try KeyDirectory()
        let files = KeyBagDirectory(path: directory.path, link: .webInternal)
        var random = SystemRandomNumberGenerator()
        func fresh() throws -> KeyBag {
            try KeyBag.generate(link: "web-internal", created: Timestamp(seconds: 0), random: &random)
        }
        let first = try fresh()
        let second = try fresh()
        try files.install(first, as: .current)
        #expect(throws: Failure.self) { try files.install(second, as: .current) }
        #expect(throws: Failure.self) { try files.activate(previousUntil: Timestamp(seconds: 0)) }
        let store = try directory.store()
        #expect(try Files.mode("\(directory.path)/web-internal") == 0o640)

        try files.install(second, as: .next)
        #expect(throws: Failure.self) { try files.install(second, as: .next) }
        try store.reload()
        #expect(store.bags.current?.id == first.id && store.bags.next?.id == second.id)

        try files.activate(previousUntil: Timestamp(seconds: 4_000_000_000))
        try store.reload()
        #expect(store.bags.current?.id == second.id && store.bags.next == nil)
        #expect(store.bags.previous?.bag.id == first.id)
        #expect(store.bags.bag(first.id, now: 3_999_999_999) != nil)
        #expect(store.bags.bag(first.id, now: 4_000_000_000) == nil)

        // A previous bag whose deadline is lost is a fault, and a fault leaves the bags in force.
        unlink("\(directory.path)/web-internal.previous-until")
        #expect(throws: Failure.self) { try store.reload() }
        #expect(store.bags.previous?.bag.id == first.id)

        try files.retire(.previous)
        #expect(throws: Failure.self) { try files.retire(.previous) }
        try store.reload()
        #expect(store.bags.previous == nil)
        #expect(try Files.names(in: directory.path) == ["web-internal"])
    }

    @Test("taking back a stage")
    func unstage() throws {
        let directory = try KeyDirectory()
        try directory.writeBag()
        try directory.writeBag(".next")
        let files = KeyBagDirectory(path: directory.path, link: .webInternal)
        try files.retire(.next)
        #expect(try files.bag(.next) == nil)
        #expect(try files.bag(.current) != nil)
    }
}
