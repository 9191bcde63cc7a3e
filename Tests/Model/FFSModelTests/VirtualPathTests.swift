import FFSModel
import Testing

@Suite struct VirtualPathTests {
    @Test(arguments: [
        ("/", "a", "/a"), ("/a/b", "c", "/a/b/c"), ("/a/b", "/c", "/c"), ("/a/b", "..", "/a"), ("/a", "..", "/"),
        ("/", "../../..", "/"), ("/a", "./b//c/", "/a/b/c"), ("/a/b/c", "../../x/../y", "/a/y"), ("/a", "", "/a"),
        ("/a", " lead", "/a/ lead"), ("/a", "..x", "/a/..x"), ("/a", "...", "/a/..."),
        ("/", "//etc//passwd", "/etc/passwd"),
    ])
    func resolves(from: String, argument: String, expected: String) throws {
        let start = try #require(VirtualPath.root.resolving(bytes(from)))
        #expect(try #require(start.resolving(bytes(argument))).bytes == bytes(expected))
    }

    @Test func neverLeavesTheRootWhateverTheBytes() throws {
        var generator = SystemRandomNumberGenerator()
        let pieces = ["..", ".", "a", "/", "//", "...", "\u{1}", "../", "/..", "b c"]
        for _ in 0..<2_000 {
            let argument = (0..<Int.random(in: 0..<12, using: &generator)).map { _ in
                pieces.randomElement(using: &generator) ?? ""
            }
            let path = try #require(VirtualPath.root.resolving(bytes(argument.joined())))
            #expect(path.bytes.first == UInt8(ascii: "/"))
            let components = path.bytes.split(separator: UInt8(ascii: "/"))
            #expect(!components.contains { $0.elementsEqual("..".utf8) || $0.elementsEqual(".".utf8) })
        }
    }

    @Test func refusesWhatNoSystemCallTakes() {
        #expect(VirtualPath.root.resolving([UInt8](repeating: UInt8(ascii: "a"), count: 4_095)) == nil)
        #expect(VirtualPath.root.resolving([UInt8](repeating: UInt8(ascii: "a"), count: 4_094)) != nil)
    }

    @Test func quotesAreDoubled() throws {
        #expect(try #require(VirtualPath.root.resolving(bytes(#"a"b"#))).quoted == bytes(#""/a""b""#))
    }

    @Test func parts() throws {
        let path = try #require(VirtualPath.root.resolving(bytes("a/b.iso")))
        #expect(text(path.name) == "b.iso")
        #expect(text(path.parent.bytes) == "/a")
        #expect(text(path.relative) == "a/b.iso")
        #expect(text(VirtualPath.root.relative) == ".")
        #expect(VirtualPath.root.parent == .root)
    }
}
