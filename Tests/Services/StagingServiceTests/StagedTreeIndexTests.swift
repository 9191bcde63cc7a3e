import FFSModel
import Glibc
import Requests
import StagingService
import StoredFormats
import TestSupport
import Testing

/// The index that is written beside a tree says what the tree holds.
@Suite struct StagedTreeIndexTests {
    /// Folder → its entries.
    private func index(_ path: String) throws -> [String: [TreeIndex.Entry]] {
        let bytes = try Files.bytes(path)
        let count = try TreeIndex.folders(head: Array(bytes.prefix(TreeIndex.headSize)))
        var folders: [String: [TreeIndex.Entry]] = [:]
        for number in 0..<count {
            let folder = try TreeIndex.folder(record: Array(bytes[TreeIndex.record(number)]), size: bytes.count)
            let (entries, used) = try TreeIndex.entries(Array(bytes[folder.block]))
            #expect(used == folder.block.count && entries.count == folder.entries)
            folders[String(decoding: bytes[folder.path], as: UTF8.self)] = entries
        }
        return folders
    }

    @Test func itHoldsWhatTheTreeHolds() async throws {
        let fixture = try StagingFixture()
        var files = ["empty": "", "z": "last", "d/e/f/g": "deep", "d-": "beside a folder"]
        for number in 0..<400 { files["d\(number % 7)/f\(number)"] = "content \(number % 50)" }
        try fixture.publish(files)
        try fixture.publish(["one": "1"], as: StagingFixture.item("other"))
        let account = try await fixture.create([StagingFixture.item(), StagingFixture.item("other")]).account
        let folders = try index(fixture.area("\(account)/index"))
        let root = fixture.area("\(account)/root")
        #expect(Set(folders.keys).isSuperset(of: ["", "tool-1.0", "tool-1.0/d", "tool-1.0/d/e/f", "other-1.0"]))
        var count = 0
        for (folder, entries) in folders {
            let place = folder.isEmpty ? root : "\(root)/\(folder)"
            let names = try Files.names(in: place).sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
            #expect(entries.map { String(decoding: $0.name, as: UTF8.self) } == names, "\(folder)")
            for entry in entries {
                let path = "\(place)/\(String(decoding: entry.name, as: UTF8.self))"
                var status = stat()
                #expect(lstat(path, &status) == 0)
                #expect(entry.isFolder == (status.st_mode & S_IFMT == S_IFDIR), "\(path)")
                guard !entry.isFolder, entry.name != Array("SHA256SUMS".utf8) else { continue }
                count += 1
                let content = try Files.bytes(path)
                #expect(entry.size == status.st_size && entry.digest == .sha256(of: content))
                // An empty file is made for the account, and only a look tells when.
                #expect(entry.modified == (entry.size == 0 ? nil : Int64(status.st_mtim.tv_sec)), "\(path)")
            }
        }
        #expect(count == files.count + 1)
    }

    @Test func itGoesWithTheTreeAndSmallTreesHaveNone() async throws {
        let fixture = try StagingFixture()
        try fixture.publish(Dictionary(uniqueKeysWithValues: (0..<300).map { ("f\($0)", "\($0)") }))
        try fixture.publish(["one": "1"], as: StagingFixture.item("other"))
        let small = try await fixture.create([StagingFixture.item("other")]).account
        #expect(!Files.exists(fixture.area("\(small)/index")))
        let large = try await fixture.create().account
        #expect(try Files.mode(fixture.area("\(large)/index")) == 0o640)
        try await fixture.engine.revoke(large, policy: .cut)
        #expect(try await fixture.eventually { !Files.exists(fixture.area(".withdrawn/\(large)/index")) })
        #expect(Files.exists(fixture.area(".withdrawn/\(large)/record")))
    }
}
