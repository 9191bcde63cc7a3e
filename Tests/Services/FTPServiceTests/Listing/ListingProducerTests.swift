import FFSModel
import FTPProtocol
@testable import FTPService
import Foundation
import StoredFormats
import SystemSupport
import TestSupport
import Testing

@Suite struct ListingProducerTests {
    private struct Place {
        let fixture: AccountFixture
        let tree: AccountTree
    }

    private func place(_ files: [String: [UInt8]]) throws -> Place {
        let fixture = try AccountFixture(files)
        return Place(fixture: fixture, tree: try admitted(fixture))
    }

    private func admitted(_ fixture: AccountFixture) throws -> AccountTree {
        let store = ServedAccounts(area: try fixture.area())
        guard
            case .admitted(let account) = store.admit(
                name: Array(fixture.account.text.utf8), password: Array(fixture.password.utf8), now: SystemClock.now())
        else { throw TestFailure("not admitted") }
        return account.tree
    }

    private func request(
        _ path: String, _ style: ListingFormat.Style = .names, in tree: AccountTree
    ) throws -> ListingRequest {
        let path = try #require(VirtualPath.root.resolving(Array(path.utf8)))
        return ListingRequest(
            path, style, now: SystemClock.now(), directory: try tree.open(path, directory: true).status())
    }

    private func lines(_ request: ListingRequest, in tree: AccountTree, _ cache: ListingCache? = nil) -> [String] {
        let producer = ListingProducer(request, in: tree, cache)
        var text: [UInt8] = []
        while producer.produce(into: &text) {}
        #expect(producer.failure == nil)
        return text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast().map {
            String(decoding: $0.dropLast(), as: UTF8.self)
        }
    }

    /// Names so long that their directory counts as large.
    private static let many = (0..<400).map { index in
        "p-1/" + String(repeating: "n", count: 190) + "-\((index * 791) % 400 + 1_000)"
    }

    @Test func aDirectoryIsSortedByBytes() throws {
        let names = ["b", "a", "a.b", "a b", "é", "Z", "ab", "abcdefgh", "abcdefghi", "abcdefg"]
        let place = try place(Dictionary(uniqueKeysWithValues: names.map { ("p-1/" + $0, [1]) }))
        let sorted = names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        #expect(lines(try request("p-1", in: place.tree), in: place.tree) == sorted)
    }

    /// All styles of a large directory come from what the first read: nothing of it is there any more when the others ask.
    @Test func aLargeDirectoryIsReadOnce() throws {
        let place = try place(Dictionary(uniqueKeysWithValues: Self.many.map { ($0, Array($0.utf8)) }))
        let cache = ListingCache()
        let facts = try #require(FactSelection(list: "type;size;x.hash;"))
        let long = try request("p-1", .long, in: place.tree)
        #expect(long.isLarge)
        let machine = try request("p-1", .machine(facts), in: place.tree)
        var some = try request("p-1", in: place.tree)
        some.glob = Glob(Array("*-13?7".utf8)[...])
        some.prefix = Array("p-1/".utf8)
        let before = lines(long, in: place.tree, cache)
        #expect(before.count == 400)
        let root = place.fixture.directory("\(place.fixture.account)/root/p-1")
        try FileManager.default.removeItem(atPath: root)
        #expect(lines(long, in: place.tree, cache) == before)
        let sorted = Self.many.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        #expect(
            lines(machine, in: place.tree, cache)
                == sorted.map { name in
                    "type=file;size=\(name.utf8.count);x.hash=SHA-256:\(ContentDigest.sha256(of: Array(name.utf8))); "
                        + name.dropFirst(4)
                })
        let wanted = sorted.filter { $0.hasSuffix("7") && $0.dropLast(2).hasSuffix("-13") }
        #expect(wanted.count == 10 && lines(some, in: place.tree, cache) == wanted)
    }

    /// The page and the JSON of a large directory come from what FTP read, and the other way round.
    @Test func pagesComeFromTheSameTable() throws {
        let place = try place(Dictionary(uniqueKeysWithValues: Self.many.map { ($0, Array($0.utf8)) }))
        let cache = ListingCache()
        let long = try request("p-1", .long, in: place.tree)
        let lister = try DirectoryLister(long.path, in: place.tree, asJSON: true, cache)
        #expect(lines(long, in: place.tree, cache).count == 400)
        try FileManager.default.removeItem(atPath: place.fixture.directory("\(place.fixture.account)/root/p-1"))
        var text: [UInt8] = []
        while try lister.next(into: &text) {}
        let json = String(decoding: text, as: UTF8.self)
        for name in Self.many {
            #expect(
                json.contains("\"\(name.dropFirst(4))\"")
                    && json.contains("\(ContentDigest.sha256(of: Array(name.utf8)))"))
        }
        #expect(lister.kept == text)
    }

    /// Where staging wrote down what a folder holds, LIST, NLST and MLSD look at no file; what it left open is looked at.
    @Test func aListingIsReadFromTheIndex() throws {
        let fixture = try AccountFixture(["p-1/a": [1, 2], "p-1/b": [3], "p-1/sub/x": [4], "p-2/y": [5]])
        try fixture.index(
            "p-1",
            [
                ("a", 1_000_000_000, .sha256(of: [9])), ("b", nil, .sha256(of: [8])), ("gone", nil, nil),
                ("sub", nil, nil),
            ])
        let tree = try admitted(fixture)
        let facts = try #require(FactSelection(list: "type;size;unix.mode;x.hash;"))
        #expect(try lines(request("p-1", in: tree), in: tree) == ["a", "b", "gone", "sub"])
        let digests = ([[9], [8]] as [[UInt8]]).map { "\(ContentDigest.sha256(of: $0))" }
        #expect(
            try lines(request("p-1", .machine(facts), in: tree), in: tree) == [
                "type=file;size=4711;unix.mode=0444;x.hash=SHA-256:\(digests[0]); a",
                "type=file;size=1;unix.mode=0444;x.hash=SHA-256:\(digests[1]); b",
                "type=dir;unix.mode=0555; sub",
            ])
        // A folder that the index lacks is read.
        #expect(try lines(request("p-2", in: tree), in: tree) == ["y"])
    }

    /// What is no index is no harm: the folder itself is read.
    @Test func aDamagedIndexIsNotBelieved() throws {
        let fixture = try AccountFixture(["p-1/a": [1, 2], "p-1/b": [3]])
        try fixture.index("p-1", [("a", 1_000_000_000, nil), ("bbb", 1_000_000_000, nil)])
        let index = fixture.directory("\(fixture.account)/index")
        var bytes = try Array(Data(contentsOf: URL(fileURLWithPath: index)))
        // The second entry's length of its name.
        bytes[bytes.count - 4] = 0
        try Files.write(bytes, to: index)
        let tree = try admitted(fixture)
        #expect(try lines(request("p-1", in: tree), in: tree) == ["a", "b"])
    }

    @Test func subdirectoriesFollowInOrder() throws {
        let place = try place(["p-1/b/x": [1], "p-1/a/y": [1], "p-1/a/c/z": [1], "p-1/f": [1]])
        var request = try request("p-1", in: place.tree)
        request.isRecursive = true
        #expect(
            lines(request, in: place.tree) == [".:", "a", "b", "f", "", "a:", "c", "y", "", "a/c:", "z", "", "b:", "x"])
    }

    @Test func whatIsTooLargeIsReadAgainInParts() throws {
        let place = try place(Dictionary(uniqueKeysWithValues: Self.many.map { ($0, [1]) }))
        let path = try #require(VirtualPath.root.resolving(Array("p-1".utf8)))
        func steps(_ most: Int?) throws -> [String] {
            let reader = ListingReader(
                try place.tree.open(path, directory: true), withStatus: true, mostHeld: most, turn: 100)
            while true {
                switch try reader.read() {
                case .more: continue
                case .whole(let table): return ["whole \(table.count)"]
                case .part(let table, let isLast): return ["part \(table.count)", "\(isLast)"]
                case .tooLarge: return ["too large"]
                }
            }
        }
        #expect(try steps(8 << 20) == ["whole 400"])
        #expect(try steps(20_000) == ["too large"])
        #expect(try steps(nil) == ["part 400", "true"])
    }

    /// Many who list a large directory at once hold it once: one reads it whole, the others in parts meanwhile.
    @Test func oneReadsALargeDirectoryWhole() throws {
        let cache = ListingCache()
        func key(_ inode: UInt64) -> ListingCache.TableKey {
            ListingCache.TableKey(device: 1, inode: inode, changed: 3)
        }
        #expect(cache.beginReading(key(1)) && !cache.beginReading(key(1)) && !cache.beginReading(key(2)))
        cache.endReading(key(1), isTooLarge: true)
        #expect(!cache.beginReading(key(1)) && cache.beginReading(key(2)))
        cache.endReading(key(2), isTooLarge: false)
        // Whoever comes meanwhile gets all names, and who reads gives it back.
        let place = try place(Dictionary(uniqueKeysWithValues: Self.many.map { ($0, [1]) }))
        let long = try request("p-1", .long, in: place.tree)
        let tableKey = try #require(long.tableKey)
        var producer: ListingProducer? = ListingProducer(long, in: place.tree, cache)
        var text: [UInt8] = []
        #expect(cache.beginReading(tableKey))
        #expect(lines(long, in: place.tree, cache).count == 400 && cache[table: tableKey] == nil)
        cache.endReading(tableKey, isTooLarge: false)
        _ = producer?.produce(into: &text)
        producer = nil
        #expect(cache.beginReading(tableKey))
    }

    @Test func theOldestListingsAreForgotten() throws {
        let cache = ListingCache()
        func key(_ inode: UInt64) -> ListingCache.TextKey {
            ListingCache.TextKey(
                table: ListingCache.TableKey(device: 1, inode: inode, changed: 3),
                style: .lines(.long, day: 4))
        }
        let text = [UInt8](repeating: 0x78, count: ListingCache.mostOfOneText)
        for inode in 0..<5 as Range<UInt64> { cache[text: key(inode)] = text }
        #expect(cache[text: key(0)] == nil)
        for inode in 1..<5 as Range<UInt64> { #expect(cache[text: key(inode)]?.count == text.count) }
        cache[text: key(9)] = text + [1]
        #expect(cache[text: key(9)] == nil)
    }
}
