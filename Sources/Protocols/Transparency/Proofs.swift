import FFSModel

/// Makes proofs out of a tree's tiles.
package struct TreeReader {
    private let tile: (TilePlace) throws -> [TreeHash]

    /// - Parameter tile: reads a tile; a partial one may hold more than the tree of the proof has.
    package init(tile: @escaping (TilePlace) throws -> [TreeHash]) { self.tile = tile }

    /// The root of the first `size` leaves.
    package func root(size: UInt64) throws -> TreeHash {
        size == 0 ? TreeHashing.empty : try hash(0..<size)
    }

    /// The leaf with that number.
    package func leaf(_ number: UInt64) throws -> TreeHash { try hash(number..<number + 1) }

    /// RFC 9162 §2.1.3.1: proves that the leaf `index` is in the tree of `size` leaves.
    package func inclusion(of index: UInt64, size: UInt64) throws -> [TreeHash] {
        guard index < size else { throw TransparencyError.proof }
        return try path(to: index, in: 0..<size)
    }

    /// RFC 9162 §2.1.4.1: proves that the tree of `old` leaves is the beginning of the one of `size`.
    package func consistency(from old: UInt64, to size: UInt64) throws -> [TreeHash] {
        guard old <= size else { throw TransparencyError.proof }
        return old == 0 || old == size ? [] : try subproof(old, in: 0..<size, isWhole: true)
    }

    private func path(to index: UInt64, in range: Range<UInt64>) throws -> [TreeHash] {
        guard range.count > 1 else { return [] }
        let (left, right) = Self.split(range)
        return left.contains(index)
            ? try path(to: index, in: left) + [hash(right)] : try path(to: index, in: right) + [hash(left)]
    }

    private func subproof(_ end: UInt64, in range: Range<UInt64>, isWhole: Bool) throws -> [TreeHash] {
        guard end != range.upperBound else { return isWhole ? [] : [try hash(range)] }
        let (left, right) = Self.split(range)
        return end <= left.upperBound
            ? try subproof(end, in: left, isWhole: isWhole) + [hash(right)]
            : try subproof(end, in: right, isWhole: false) + [hash(left)]
    }

    /// At the largest power of two below the number of leaves.
    private static func split(_ range: Range<UInt64>) -> (left: Range<UInt64>, right: Range<UInt64>) {
        let count = range.upperBound - range.lowerBound
        let middle = range.lowerBound + 1 << (63 - UInt64((count - 1).leadingZeroBitCount))
        return (range.lowerBound..<middle, middle..<range.upperBound)
    }

    private func hash(_ range: Range<UInt64>) throws -> TreeHash {
        let count = range.upperBound - range.lowerBound
        guard count & (count - 1) == 0 else {
            let (left, right) = Self.split(range)
            return TreeHashing.node(try hash(left), try hash(right))
        }
        let height = count.trailingZeroBitCount
        let (level, above) = (height / 8, height % 8)
        let first = range.lowerBound >> UInt64(8 * level)
        let width = 1 << above
        let place = Int(first % UInt64(TileAppender.width))
        let hashes = try tile(TilePlace(level: level, number: first / UInt64(TileAppender.width)))
        guard place + width <= hashes.count else { throw TransparencyError.tile }
        return TileAppender.root(of: Array(hashes[place..<place + width]))
    }
}

/// Checks proofs, with nothing but them.
package enum Proof {
    /// RFC 9162 §2.1.3.2.
    package static func includes(
        _ leaf: TreeHash, at index: UInt64, size: UInt64, root: TreeHash, path: [TreeHash]
    ) -> Bool {
        guard index < size else { return false }
        var (place, last, hash) = (index, size - 1, leaf)
        for neighbour in path {
            guard last != 0 else { return false }
            if place & 1 == 1 || place == last {
                hash = TreeHashing.node(neighbour, hash)
                while place & 1 == 0 && place != 0 { (place, last) = (place >> 1, last >> 1) }
            } else {
                hash = TreeHashing.node(hash, neighbour)
            }
            (place, last) = (place >> 1, last >> 1)
        }
        return last == 0 && hash == root
    }

    /// RFC 9162 §2.1.4.2. Every tree begins with the empty one.
    package static func isConsistent(
        old: (size: UInt64, root: TreeHash), new: (size: UInt64, root: TreeHash), path: [TreeHash]
    ) -> Bool {
        guard old.size <= new.size else { return false }
        guard old.size > 0 else { return path.isEmpty && old.root == TreeHashing.empty }
        guard old.size < new.size else { return path.isEmpty && old.root == new.root }
        var path = path[...]
        if old.size & (old.size - 1) == 0 { path = [old.root] + path }
        guard let first = path.popFirst() else { return false }
        var (place, last) = (old.size - 1, new.size - 1)
        while place & 1 == 1 { (place, last) = (place >> 1, last >> 1) }
        var (before, after) = (first, first)
        for neighbour in path {
            guard last != 0 else { return false }
            if place & 1 == 1 || place == last {
                before = TreeHashing.node(neighbour, before)
                after = TreeHashing.node(neighbour, after)
                while place & 1 == 0 && place != 0 { (place, last) = (place >> 1, last >> 1) }
            } else {
                after = TreeHashing.node(after, neighbour)
            }
            (place, last) = (place >> 1, last >> 1)
        }
        return last == 0 && before == old.root && after == new.root
    }
}

/// What keeps bytes from being part of a log.
package enum TransparencyError: Error, Sendable, Hashable {
    /// Not a signed note.
    case note
    /// Not a key, or not one with that name and id.
    case key
    /// A signature of the key is not there, or is not its own.
    case signature
    /// A note that is no checkpoint.
    case checkpoint
    /// No such proof, or none that proves it.
    case proof
    /// A tile lacks hashes that the tree must have.
    case tile
}
