package import FFSModel
import FTPProtocol
import StoredFormats
import SystemSupport

/// Finds a file's SHA-256 in its account's `SHA256SUMS` without reading all of it: the lines are in byte order of their
/// paths within each product's folder, so the search reads a block here and there until some hundred lines are left.
/// Those it keeps: who asks for names in their order, or for the same files again and again, has most answers from
/// memory.
///
/// Not Sendable: one thread at a time.
package final class DigestIndex {
    private var file: OpenFile?
    private var isOpened = false
    private var folders: [(name: [UInt8], range: Range<Int>)]?
    /// Neighbouring lines that were read, the last one used first.
    private var chunks: [Chunk] = []
    /// How often the file was read.
    package private(set) var reads = 0

    /// Longest line: digest, two blanks, an escaped path, LF and the backslash in front.
    private static let block = 16_384
    /// Bytes of a chunk; how many an account keeps.
    private static let chunkSize = 16_384
    private static let mostChunks = 16

    package init() {}

    /// - Parameter path: below the account's root, without a leading slash.
    /// - Returns: nil for what has no line, and for a damaged one.
    package func lookUp(_ path: [UInt8], in tree: AccountTree) -> ContentDigest? {
        for index in chunks.indices where chunks[index].covers(path) {
            if index > 0 { chunks.swapAt(0, index) }
            return chunks[0].digest(of: path)
        }
        if !isOpened {
            isOpened = true
            if let place = VirtualPath.root.resolving(Array(AccountArea.sums.utf8)) {
                file = try? tree.openFile(place)
            }
        }
        guard let file else { return nil }
        return search(path, in: file)
    }

    /// Binary search for the lines around `path`. Folders come in the order of the order's items, so it runs over the
    /// part of the path's own folder.
    private func search(_ path: [UInt8], in file: OpenFile) -> ContentDigest? {
        let parts = folders ?? split(file, 0..<Int(file.size))
        folders = parts
        let folder = path.prefix { $0 != UInt8(ascii: "/") }
        guard let part = parts.first(where: { $0.name.elementsEqual(folder) }) else { return nil }
        var (low, high) = (part.range.lowerBound, part.range.upperBound)
        while high - low > Self.chunkSize {
            guard let line = lineAround(file, at: (low + high) / 2, within: low..<high) else {
                return nil
            }
            // A line is much shorter than half of the stretch, so each step leaves less.
            if path.lexicographicallyPrecedes(line.path) { high = line.start } else { low = line.start }
        }
        guard low < high, let bytes = read(file, low, high - low), let chunk = Chunk(bytes) else {
            return nil
        }
        chunks.removeAll { $0.first == chunk.first }
        chunks.insert(chunk, at: 0)
        if chunks.count > Self.mostChunks { chunks.removeLast() }
        return chunk.digest(of: path)
    }

    /// Whole lines of one folder, in order.
    private struct Chunk {
        private let bytes: [UInt8]
        /// Where the lines start, and the end of the last.
        private let starts: [Int]
        let first: [UInt8]
        private let last: [UInt8]

        /// nil when a line is damaged.
        init?(_ bytes: [UInt8]) {
            guard bytes.last == 0x0A else { return nil }
            self.bytes = bytes
            var starts = [0]
            bytes.withUnsafeBufferPointer { bytes in
                var index = 0
                while index < bytes.count {
                    if bytes[index] == 0x0A { starts.append(index + 1) }
                    index += 1
                }
            }
            self.starts = starts
            guard let first = parse(bytes[..<(starts[1] - 1)]),
                let last = parse(bytes[starts[starts.count - 2]..<(bytes.count - 1)])
            else { return nil }
            (self.first, self.last) = (first.path, last.path)
        }

        /// Whether `path` has its line here or none.
        func covers(_ path: [UInt8]) -> Bool {
            !path.lexicographicallyPrecedes(first) && !last.lexicographicallyPrecedes(path)
        }

        func digest(of path: [UInt8]) -> ContentDigest? {
            var (low, high) = (0, starts.count - 1)
            while low < high {
                let middle = (low + high) / 2
                let line = bytes[starts[middle]..<(starts[middle + 1] - 1)]
                switch order(of: path, against: line) {
                case 0: return parse(line)?.digest
                case ..<0: high = middle
                default: low = middle + 1
                }
            }
            return nil
        }

        /// Negative when `path` comes before the line's, 0 when it is the line's.
        private func order(of path: [UInt8], against line: ArraySlice<UInt8>) -> Int {
            if line.first == 0x5C {
                guard let other = parse(line)?.path else { return -1 }
                return path == other ? 0 : path.lexicographicallyPrecedes(other) ? -1 : 1
            }
            let other = line.dropFirst(66)
            return path.withUnsafeBufferPointer { path in
                other.withUnsafeBufferPointer { other in
                    for index in 0..<min(path.count, other.count) where path[index] != other[index] {
                        return path[index] < other[index] ? -1 : 1
                    }
                    return path.count - other.count
                }
            }
        }
    }

    private struct Line {
        let start: Int
        let end: Int
        let digest: ContentDigest?
        let path: [UInt8]
    }

    /// The line that holds the byte at `middle`.
    private func lineAround(_ file: OpenFile, at middle: Int, within range: Range<Int>) -> Line? {
        let from = max(range.lowerBound, middle - Self.block / 2)
        guard let bytes = read(file, from, min(Self.block, range.upperBound - from)) else { return nil }
        let offset = middle - from
        let start = bytes[..<offset].lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
        guard start > 0 || from == range.lowerBound, let end = bytes[offset...].firstIndex(of: 0x0A)
        else { return nil }
        guard let parsed = parse(bytes[start..<end]) else { return nil }
        return Line(start: from + start, end: from + end + 1, digest: parsed.digest, path: parsed.path)
    }

    /// Where each top folder's lines are. Reads a block here and there.
    private func split(_ file: OpenFile, _ whole: Range<Int>) -> [(name: [UInt8], range: Range<Int>)] {
        var parts: [(name: [UInt8], range: Range<Int>)] = []
        var position = whole.lowerBound
        while position < whole.upperBound {
            guard let first = lineAround(file, at: position, within: position..<whole.upperBound) else {
                break
            }
            let folder = Array(first.path.prefix { $0 != UInt8(ascii: "/") })
            // Gallop to the first line of another folder.
            var inside = first.end
            var step = Self.block
            while inside + step < whole.upperBound,
                let line = lineAround(file, at: inside + step, within: inside..<whole.upperBound),
                line.path.starts(with: folder + [UInt8(ascii: "/")])
            {
                inside = line.end
                step *= 2
            }
            var beyond = min(whole.upperBound, inside + step)
            if beyond < whole.upperBound,
                let line = lineAround(file, at: beyond, within: inside..<whole.upperBound)
            {
                beyond = line.end
            }
            while inside < beyond,
                let line = lineAround(file, at: (inside + beyond) / 2, within: inside..<beyond)
            {
                if line.path.starts(with: folder + [UInt8(ascii: "/")]) {
                    inside = line.end
                } else {
                    beyond = line.start
                }
            }
            parts.append((folder, position..<inside))
            position = inside
        }
        return parts
    }

    private func read(_ file: OpenFile, _ offset: Int, _ count: Int) -> [UInt8]? {
        reads += 1
        var bytes = [UInt8](repeating: 0, count: count)
        let got = bytes.withUnsafeMutableBytes { space in
            try? file.descriptor.read(into: space, at: offset)
        }
        guard let got, got > 0 else { return nil }
        bytes.removeLast(count - got)
        return bytes
    }
}

/// `<64 digits>  <path>`, a backslash in front when the path is escaped.
private func parse(_ line: ArraySlice<UInt8>) -> (digest: ContentDigest?, path: [UInt8])? {
    let isEscaped = line.first == 0x5C
    let body = isEscaped ? line.dropFirst() : line
    guard body.count > 66 else { return nil }
    let digest = ContentDigest(hex: body.prefix(64))
    let name = body.dropFirst(66)
    guard isEscaped else { return (digest, Array(name)) }
    var path: [UInt8] = []
    var iterator = name.makeIterator()
    while let byte = iterator.next() {
        guard byte == 0x5C, let next = iterator.next() else {
            path.append(byte)
            continue
        }
        path.append(next == UInt8(ascii: "n") ? 0x0A : next == UInt8(ascii: "r") ? 0x0D : next)
    }
    return (digest, path)
}
