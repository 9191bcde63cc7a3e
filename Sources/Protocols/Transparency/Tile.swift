import FFSModel

/// Where a tile lies: C2SP tlog-tiles' level and number. A tile of level n holds up to 256 neighbouring hashes of nodes 8n
/// levels above the leaves.
package struct TilePlace: Sendable, Hashable {
    package let level: Int
    package let number: UInt64

    package init(level: Int, number: UInt64) {
        self.level = level
        self.number = number
    }
}

/// Grows a tree at its right edge, which is all of it that it keeps.
package struct TileAppender: Sendable {
    /// Hashes in a full tile.
    package static let width = 256

    /// The last tile of each level; may be empty, is never full.
    private var edge: [[TreeHash]] = []
    /// Tiles that became full, and how many levels have changed.
    private var full: [(place: TilePlace, hashes: [TreeHash])] = []
    private var grown = 0
    package private(set) var size: UInt64

    /// - Parameter tile: reads the tiles at the right edge of a tree of `size` leaves.
    package init(size: UInt64, tile: (TilePlace) throws -> [TreeHash]) rethrows {
        self.size = size
        var level = 0
        var count = size
        while count > 0 {
            let rest = Int(count % UInt64(Self.width))
            let place = TilePlace(level: level, number: count / UInt64(Self.width))
            edge.append(rest == 0 ? [] : Array(try tile(place).prefix(rest)))
            count /= UInt64(Self.width)
            level += 1
        }
    }

    package mutating func append(_ leaf: TreeHash) {
        add(leaf, level: 0)
        size += 1
    }

    private mutating func add(_ hash: TreeHash, level: Int) {
        if edge.count == level { edge.append([]) }
        edge[level].append(hash)
        grown = max(grown, level + 1)
        guard edge[level].count == Self.width else { return }
        full.append((TilePlace(level: level, number: size >> UInt64(8 * (level + 1))), edge[level]))
        let root = Self.root(of: edge[level])
        edge[level] = []
        add(root, level: level + 1)
    }

    /// The tiles that have changed since this was last asked: full ones, and those at the edge.
    package mutating func takeChanged() -> [(place: TilePlace, hashes: [TreeHash])] {
        defer { (full, grown) = ([], 0) }
        return full
            + edge.prefix(grown).enumerated().filter { !$0.element.isEmpty }.map { level, hashes in
                (TilePlace(level: level, number: size >> UInt64(8 * (level + 1))), hashes)
            }
    }

    /// The root of the tree.
    package var root: TreeHash {
        var found: TreeHash?
        for hashes in edge {
            var level = hashes
            // Subtrees of the right edge, smallest first; each is to the left of what was found below it.
            while !level.isEmpty {
                let width = 1 << (Int.bitWidth - 1 - (level.count & -level.count).leadingZeroBitCount)
                let subtree = Self.root(of: Array(level.suffix(width)))
                level.removeLast(width)
                found = found.map { TreeHashing.node(subtree, $0) } ?? subtree
            }
        }
        return found ?? TreeHashing.empty
    }

    /// The root over a power of two of neighbours.
    static func root(of hashes: [TreeHash]) -> TreeHash {
        var level = hashes
        while level.count > 1 {
            level = stride(from: 0, to: level.count, by: 2).map { TreeHashing.node(level[$0], level[$0 + 1]) }
        }
        return level[0]
    }
}
