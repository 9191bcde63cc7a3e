import FFSModel
import Testing
import Transparency

/// A tree as RFC 9162 defines it, by its recursion alone: what tiles and proofs are compared with.
private func reference(_ leaves: ArraySlice<TreeHash>) -> TreeHash {
    guard leaves.count > 1 else { return leaves.first ?? TreeHashing.empty }
    var width = 1
    while 2 * width < leaves.count { width *= 2 }
    return TreeHashing.node(reference(leaves.prefix(width)), reference(leaves.dropFirst(width)))
}

private struct Grown {
    var tiles: [TilePlace: [TreeHash]] = [:]
    var leaves: [TreeHash] = []
    var reader: TreeReader { TreeReader { [tiles] in tiles[$0] ?? [] } }

    init(_ count: Int, batch: Int) {
        var appender = TileAppender(size: 0) { _ in [] }
        for number in 0..<count {
            let leaf = TreeHashing.leaf([UInt8(truncatingIfNeeded: number), UInt8(truncatingIfNeeded: number >> 8)])
            leaves.append(leaf)
            appender.append(leaf)
            if number % batch == batch - 1 || number == count - 1 {
                for tile in appender.takeChanged() { tiles[tile.place] = tile.hashes }
                // As after a restart: nothing but the tiles.
                appender = TileAppender(size: appender.size) { [tiles] in tiles[$0] ?? [] }
            }
        }
    }
}

@Suite struct TreeTests {
    /// The eight entries that every implementation of RFC 6962 and 9162 is tested with, and their roots.
    @Test func knownRoots() throws {
        let entries: [[UInt8]] = [
            [], [0x00], [0x10], [0x20, 0x21], [0x30, 0x31], [0x40, 0x41, 0x42, 0x43],
            [0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
            [0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F],
        ]
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ]
        var appender = TileAppender(size: 0) { _ in [] }
        #expect(appender.root.description == roots[0])
        for (number, entry) in entries.enumerated() {
            appender.append(TreeHashing.leaf(entry))
            #expect(appender.root.description == roots[number + 1])
        }
    }

    @Test func tilesGiveTheRootsOfTheDefinition() throws {
        let tree = Grown(700, batch: 37)
        for size in [0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 600, 700] {
            #expect(try tree.reader.root(size: UInt64(size)) == reference(tree.leaves.prefix(size)), "\(size)")
        }
        let edge = TileAppender(size: 700) { tree.tiles[$0] ?? [] }
        #expect(edge.root == reference(tree.leaves[...]))
        // 65,536 leaves fill a tile of the second level; the next begins a third.
        let large = Grown(66_000, batch: 999)
        #expect(large.tiles[TilePlace(level: 2, number: 0)]?.count == 1)
        for size in [65_535, 65_536, 65_537, 66_000] {
            #expect(try large.reader.root(size: UInt64(size)) == reference(large.leaves.prefix(size)), "\(size)")
        }
    }

    @Test func everyInclusionIsProvenAndNothingElse() throws {
        let tree = Grown(130, batch: 11)
        for size in UInt64(1)...130 where size < 20 || size % 13 == 0 {
            let root = try tree.reader.root(size: size)
            for index in 0..<size {
                let path = try tree.reader.inclusion(of: index, size: size)
                let leaf = tree.leaves[Int(index)]
                #expect(Proof.includes(leaf, at: index, size: size, root: root, path: path))
                #expect(!Proof.includes(tree.leaves[Int(index) ^ 1], at: index, size: size, root: root, path: path))
                #expect(!Proof.includes(leaf, at: index, size: size, root: leaf, path: path) || size == 1)
                #expect(!Proof.includes(leaf, at: index, size: size, root: root, path: path + [leaf]))
                if !path.isEmpty {
                    #expect(!Proof.includes(leaf, at: index, size: size, root: root, path: path.dropLast()))
                }
            }
            #expect(throws: TransparencyError.proof) { try tree.reader.inclusion(of: size, size: size) }
        }
    }

    @Test func everyConsistencyIsProvenAndNothingElse() throws {
        let tree = Grown(70, batch: 70)
        let roots = try (UInt64(0)...70).map { try tree.reader.root(size: $0) }
        for new in UInt64(0)...70 {
            for old in 0...new {
                let path = try tree.reader.consistency(from: old, to: new)
                let (before, after) = (roots[Int(old)], roots[Int(new)])
                #expect(Proof.isConsistent(old: (old, before), new: (new, after), path: path), "\(old) \(new)")
                guard old > 0 else { continue }
                let wrong = TreeHashing.hash([7])
                #expect(!Proof.isConsistent(old: (old, wrong), new: (new, after), path: path))
                #expect(!Proof.isConsistent(old: (old, before), new: (new, wrong), path: path))
                #expect(!Proof.isConsistent(old: (old, before), new: (new, after), path: path + [wrong]))
                for place in path.indices {
                    var bent = path
                    bent[place] = wrong
                    #expect(!Proof.isConsistent(old: (old, before), new: (new, after), path: bent))
                }
            }
        }
        #expect(throws: TransparencyError.proof) { try tree.reader.consistency(from: 9, to: 8) }
    }
}
