import FFSModel
import FTPService
import Foundation
import StoredFormats
import SystemSupport
import TestSupport
import Testing

@Suite struct DigestIndexTests {
    private let fixture: AccountFixture
    private let tree: AccountTree

    init() throws {
        fixture = try AccountFixture(["p-1/a": [1]])
        let store = ServedAccounts(area: try fixture.area())
        guard
            case .admitted(let account) = store.admit(
                name: Array(fixture.account.text.utf8), password: Array(fixture.password.utf8), now: SystemClock.now())
        else { throw TestFailure("not admitted") }
        tree = account.tree
    }

    private func write(_ sums: [UInt8]) throws {
        try Data(sums).write(to: URL(fileURLWithPath: fixture.directory("\(fixture.account)/root/SHA256SUMS")))
    }

    private static func digest(_ path: String) -> ContentDigest { .sha256(of: Array(path.utf8)) }

    /// SHA256SUMS of files whose digests are those of their paths, in the order that staging writes.
    private func write(folders: [String], _ names: [String]) throws -> [String] {
        let sorted = names.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
        let paths = folders.flatMap { folder in sorted.map { "\(folder)/\($0)" } }
        var sums: [UInt8] = []
        for path in paths { ChecksumFile.appendLine(Self.digest(path), path: path.utf8, to: &sums) }
        try write(sums)
        return paths
    }

    @Test func everyNameIsFoundInAnyOrder() throws {
        let names = (0..<500).map { "d\($0 % 3)/file \($0)" } + ["back\\slash", "line\nfeed", "d0", "d0-x", "z"]
        let paths = try write(folders: ["b-2", "a-1", "a-10"], names)
        let index = DigestIndex()
        var generator = SystemRandomNumberGenerator()
        for path in paths.shuffled(using: &generator) {
            guard index.lookUp(Array(path.utf8), in: tree) != Self.digest(path) else { continue }
            Issue.record("\(path)")
        }
        for missing in [
            "", "a-1", "a-1/", "a-1/d0/file", "a-1/d0/file 10000", "a-1/0", "a-1/zz", "c-1/z", "SHA256SUMS",
        ] {
            #expect(index.lookUp(Array(missing.utf8), in: tree) == nil, "\(missing)")
        }
    }

    /// A listing asks in order, files of subfolders lying between: one pass, not a search a name.
    @Test func namesInOrderAreOnePass() throws {
        let paths = try write(folders: ["p-1"], (0..<5_000).map { "n\($0)" + ($0 % 4 == 0 ? "/inner" : "") })
        let index = DigestIndex()
        for path in paths where !path.hasSuffix("/inner") {
            guard index.lookUp(Array(path.utf8), in: tree) != Self.digest(path) else { continue }
            Issue.record("\(path)")
        }
        // 370 kB in pieces of at most 16 KiB, each after a search of some five steps.
        #expect(index.reads < 400, "\(index.reads)")
    }

    @Test func whatIsAskedAgainIsNotReadAgain() throws {
        let paths = try write(folders: ["p-1"], (0..<1_000).map { "name-\($0)" })
        let index = DigestIndex()
        for path in paths { _ = index.lookUp(Array(path.utf8), in: tree) }
        let reads = index.reads
        for path in paths.reversed() { #expect(index.lookUp(Array(path.utf8), in: tree) == Self.digest(path)) }
        #expect(index.reads == reads)
    }

    /// Neither a crash nor a wrong digest.
    @Test(arguments: [
        "", "\n", "x", "\n\n\n", "no digest  p-1/a\n", String(repeating: "g", count: 64) + "  p-1/a\n",
        String(repeating: "0", count: 64) + "  p-1/a", "\\\n", String(repeating: "y", count: 70_000),
        String(repeating: "\n", count: 70_000),
    ])
    func aDamagedFileHasNoDigests(_ text: String) throws {
        try write(Array(text.utf8))
        let index = DigestIndex()
        for path in ["p-1/a", "p-1/b", "p-1", "x", ""] {
            #expect(index.lookUp(Array(path.utf8), in: tree) == nil, "\(path)")
        }
    }
}
