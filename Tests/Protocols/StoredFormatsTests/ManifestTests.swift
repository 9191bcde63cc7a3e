import FFSModel
import StoredFormats
import Testing

@Suite struct ManifestTests {
    static let empty = ContentDigest("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")!
    static let test = ContentDigest("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")!

    static func file(_ path: [UInt8], _ digest: ContentDigest = test, size: Int = 4, x: Bool = false) throws
        -> Manifest.File
    {
        Manifest.File(path: try RelativePath(bytes: path), digest: digest, size: size, isExecutable: x)
    }

    /// docs/formats.md, example: changing these bytes is changing the format.
    static let golden = #"""
        ffs-manifest 1 4 12
        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 - a/empty
        9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 4 x a/run me
        9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 4 - a\\b
        9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 4 - \xc3\xa9\xff

        """#

    @Test func goldenBytes() throws {
        let manifest = try Manifest(files: [
            Self.file([0xC3, 0xA9, 0xFF]), Self.file(Array("a\\b".utf8)),
            Self.file(Array("a/run me".utf8), x: true), Self.file(Array("a/empty".utf8), Self.empty, size: 0),
        ])
        #expect(String(decoding: manifest.serialized(), as: UTF8.self) == Self.golden)
        #expect(try Manifest(bytes: Array(Self.golden.utf8)) == manifest)
        #expect(manifest.totalSize == 12)
        #expect(manifest.file(at: 1).path.description == "a/run me")
        #expect(manifest.file(at: 1).isExecutable)
    }

    @Test(arguments: [
        ("ffs-manifest 2 4 12", "ffs-manifest 1 4 12", "format 1"),
        ("ffs-manifest 1 3 12", "ffs-manifest 1 4 12", "totals"),
        ("ffs-manifest 1 4 13", "ffs-manifest 1 4 12", "totals"),
        ("ffs-manifest 1 9999999 12", "ffs-manifest 1 4 12", "does not fit"),
        (" 04 x", " 4 x", "number is malformed"),
        (" 99999999999999999999 x", " 4 x", "too large"),
        (" 4 X", " 4 x", "neither x nor -"),
        ("a/../me", "a/run me", "'..'"),
        ("a/.", "a/run me", "'.'"),
        ("a//run", "a/run me", "empty component"),
        ("/a/run", "a/run me", "empty component"),
        ("a/run\\x0ame", "a/run me", "escape"),
        ("a/run\\x00me", "a/run me", "escape"),
        ("a/run\\x7fme", "a/run me", "escape"),
        ("a/run\\x41me", "a/run me", "escape"),
        ("a/run\\nme", "a/run me", "escape"),
        ("a/run\rme", "a/run me", "must be escaped"),
        ("a/run\u{0}me", "a/run me", "must be escaped"),
        ("a/empty", "a/run me", "byte order"),
        ("a/empt", "a/run me", "byte order"),
        ("E3B0", "e3b0", "lower-case"),
    ])
    func refusesWhatIsNotCanonical(_ wrong: String, _ right: String, _ reason: String) {
        var text = Self.golden
        text.replace(right, with: wrong, maxReplacements: 1)
        let error = #expect(throws: ManifestError.self) { try Manifest(bytes: Array(text.utf8)) }
        #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
    }

    @Test func refusesEveryTruncation() {
        let bytes = Array(Self.golden.utf8)
        for count in bytes.indices {
            #expect(throws: ManifestError.self) { try Manifest(bytes: Array(bytes[..<count])) }
        }
    }

    @Test func refusesAFileThatIsAFolder() throws {
        let files = [
            try Self.file(Array("a".utf8)), try Self.file(Array("a-b".utf8)), try Self.file(Array("a/b/c".utf8)),
        ]
        let error = #expect(throws: ManifestError.self) { try Manifest(files: files) }
        #expect(error?.reason == "a file has the name of a folder")
        #expect(throws: ManifestError.self) {
            try Manifest(files: [try Self.file(Array("a".utf8)), try Self.file(Array("a".utf8))])
        }
        #expect(throws: ManifestError.self) { try Manifest(files: []) }
    }

    /// The parser's own path rules are those of RelativePath.
    @Test func agreesWithRelativePath() throws {
        let samples: [[UInt8]] = [
            [0x2E], [0x2E, 0x2E], [0x2E, 0x2E, 0x2E], Array("a/..b".utf8), Array(repeating: 0x61, count: 255),
            Array(repeating: 0x61, count: 256), [0x20], [0x7F], [0x1F], [0x80], Array("a/".utf8),
            Array((0..<2_000).map { _ in Array("a/".utf8) }.joined()) + Array(repeating: 0x62, count: 95),
            Array((0..<2_000).map { _ in Array("a/".utf8) }.joined()) + Array(repeating: 0x62, count: 96),
        ]
        for path in samples {
            let escaped = path.map { byte in
                (0x20...0x7E).contains(byte) ? String(UnicodeScalar(byte)) : "\\x" + Hex.string([byte])
            }.joined()
            let text = "ffs-manifest 1 1 4\n\(Self.test) 4 - \(escaped)\n"
            let accepted = (try? Manifest(bytes: Array(text.utf8))) != nil
            let rules = (try? RelativePath(bytes: path)) != nil
            #expect(accepted == rules, "\(path.prefix(20))")
        }
    }

    @Test func holdsAHundredThousandFiles() throws {
        let files = try (0..<100_000).map { index in
            try Self.file(Array("d\(index / 1_000)/file-\(index).bin".utf8), size: index)
        }
        let manifest = try Manifest(files: files)
        let bytes = manifest.serialized()
        let again = try Manifest(bytes: bytes)
        #expect(again == manifest)
        #expect(again.rows.count == 100_000)
        #expect(again.totalSize == 100_000 * 99_999 / 2)
    }
}
