import FFSModel
import StoredFormats
import Testing

@Suite struct ChecksumFileTests {
    /// Lines as GNU coreutils' sha256sum writes them.
    @Test(arguments: [
        ("plain name", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  plain name\n"),
        ("back\\slash", "\\9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  back\\\\slash\n"),
        ("line\nfeed", "\\9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  line\\nfeed\n"),
        ("carriage\rreturn", "\\9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  carriage\\rreturn\n"),
    ])
    func escapesAsSha256sumDoes(_ name: String, _ line: String) {
        var out: [UInt8] = []
        ChecksumFile.appendLine(ManifestTests.test, path: name.utf8, to: &out)
        #expect(String(decoding: out, as: UTF8.self) == line)
    }

    @Test func listsAManifestInItsFolder() throws {
        let manifest = try Manifest(files: [
            ManifestTests.file(Array("b".utf8)), ManifestTests.file(Array("a".utf8), ManifestTests.empty, size: 0),
        ])
        let text = String(decoding: ChecksumFile.render(manifest, folder: "tool-1"), as: UTF8.self)
        #expect(text == "\(ManifestTests.empty)  tool-1/a\n\(ManifestTests.test)  tool-1/b\n")
    }
}
