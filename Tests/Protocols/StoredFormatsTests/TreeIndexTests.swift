import FFSModel
import StoredFormats
import Testing

@Suite struct TreeIndexTests {
    private typealias Entry = TreeIndex.Entry

    private static let test = ManifestTests.test

    private func index(_ folders: [(String, [Entry])]) -> [UInt8] {
        var builder = TreeIndex.Builder()
        for (path, entries) in folders {
            for entry in entries {
                entry.name.withUnsafeBufferPointer {
                    builder.add(
                        name: $0, isFolder: entry.isFolder, size: entry.size, modified: entry.modified,
                        digest: entry.digest)
                }
            }
            builder.endFolder(Array(path.utf8))
        }
        return builder.serialized()
    }

    /// What the file says, folder by folder.
    private func read(_ bytes: [UInt8]) throws -> [(String, [Entry])] {
        let count = try TreeIndex.folders(head: Array(bytes.prefix(TreeIndex.headSize)))
        var found: [(String, [Entry])] = []
        for number in 0..<count {
            let place = TreeIndex.record(number)
            guard place.upperBound <= bytes.count else { throw TreeIndex.Damaged() }
            let folder = try TreeIndex.folder(record: Array(bytes[place]), size: bytes.count)
            let (entries, used) = try TreeIndex.entries(Array(bytes[folder.block]))
            guard used == folder.block.count, entries.count == folder.entries else { throw TreeIndex.Damaged() }
            found.append((String(decoding: bytes[folder.path], as: UTF8.self), entries))
        }
        return found
    }

    private static let folders: [(String, [Entry])] = [
        ("t-1/b", [Entry(name: [0xFF, 0x20], isFolder: false, size: 4, modified: -1, digest: test)]),
        (
            "",
            [
                Entry(name: Array("SHA256SUMS".utf8), isFolder: false, size: 0, modified: nil, digest: nil),
                Entry(name: Array("t-1".utf8), isFolder: true, size: 0, modified: nil, digest: nil),
            ]
        ),
        ("t-1", [Entry(name: Array("b".utf8), isFolder: true, size: 0, modified: nil, digest: nil)]),
    ]

    @Test func whatIsWrittenIsRead() throws {
        let found = try read(index(Self.folders))
        #expect(found.map(\.0) == ["", "t-1", "t-1/b"])
        #expect(found.map(\.1) == [Self.folders[1].1, Self.folders[2].1, Self.folders[0].1])
        #expect(try read(index([])).isEmpty)
    }

    /// Golden bytes of format 1, as docs/formats.md has them.
    @Test func goldenBytes() {
        let bytes = index([
            ("a", [Entry(name: Array("f".utf8), isFolder: false, size: 4, modified: 1_795_000_000, digest: Self.test)])
        ])
        #expect(
            Hex.string(bytes)
                == "464653494e44455801000000010000003000000000000000310000000000000001000000010000003300000000000000"
                + "619f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a080400000000000000c086fd6a00000000"
                + "040166")
    }

    /// Whatever was damaged, something is read or refused; nothing traps.
    @Test func damageIsNoticedOrHarmless() throws {
        let whole = index(Self.folders)
        for place in whole.indices {
            for value in [0, 1, 0x7F, 0xFF] as [UInt8] {
                var bytes = whole
                bytes[place] = value
                _ = try? read(bytes)
            }
            #expect(throws: TreeIndex.Damaged.self) { try read(Array(whole.prefix(place))) }
        }
    }
}
