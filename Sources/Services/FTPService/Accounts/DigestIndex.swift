import FFSModel
import FTPProtocol
import StoredFormats
import SystemSupport

/// Finds a file's SHA-256 in its account's `SHA256SUMS` without reading all of it: the lines are in byte order of their
/// paths within each product's folder, so a few blocks are read around the right place. Nothing is kept but where the
/// folders' lines start.
final class DigestIndex {
    private var file: OpenFile?
    private var isOpened = false
    private var folders: [(name: [UInt8], range: Range<Int>)]?

    /// Longest line: digest, two blanks, an escaped path, LF and the backslash in front.
    private static let block = 16_384

    func lookUp(_ path: [UInt8], in tree: AccountTree) -> ContentDigest? {
        if !isOpened {
            isOpened = true
            if let place = VirtualPath.root.resolving(Array(AccountArea.sums.utf8)) {
                file = try? tree.openFile(place)
            }
        }
        guard let file else { return nil }
        return search(path, in: file, 0..<Int(file.size))
    }

    /// Binary search for the line of `path`. Folders come in the order of the order's items, so when the whole is not in
    /// order the search runs over each folder's part.
    private func search(_ path: [UInt8], in file: OpenFile, _ whole: Range<Int>) -> ContentDigest? {
        let parts = folders ?? Self.split(file, whole)
        folders = parts
        let folder = path.prefix { $0 != UInt8(ascii: "/") }
        guard let part = parts.first(where: { $0.name.elementsEqual(folder) }) else { return nil }
        var low = part.range.lowerBound
        var high = part.range.upperBound
        while low < high {
            guard let line = Self.line(file, at: (low + high) / 2, within: low..<high) else { return nil }
            if line.path == path { return line.digest }
            if line.path.lexicographicallyPrecedes(path) { low = line.end } else { high = line.start }
        }
        return nil
    }

    private struct Line {
        let start: Int
        let end: Int
        let digest: ContentDigest?
        let path: [UInt8]
    }

    /// The line that holds the byte at `middle`.
    private static func line(_ file: OpenFile, at middle: Int, within range: Range<Int>) -> Line? {
        let from = max(range.lowerBound, middle - block / 2)
        guard let bytes = read(file, from, min(block, range.upperBound - from)) else { return nil }
        let offset = middle - from
        let start = bytes[..<offset].lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
        guard start > 0 || from == range.lowerBound, let end = bytes[offset...].firstIndex(of: 0x0A) else { return nil }
        guard let parsed = parse(bytes[start..<end]) else { return nil }
        return Line(start: from + start, end: from + end + 1, digest: parsed.0, path: parsed.1)
    }

    /// `<64 digits>  <path>`, a backslash in front when the path is escaped.
    private static func parse(_ line: ArraySlice<UInt8>) -> (ContentDigest?, [UInt8])? {
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

    /// Where each top folder's lines are. Reads the file once, in blocks.
    private static func split(_ file: OpenFile, _ whole: Range<Int>) -> [(name: [UInt8], range: Range<Int>)] {
        var parts: [(name: [UInt8], range: Range<Int>)] = []
        var position = whole.lowerBound
        while position < whole.upperBound {
            guard let first = line(file, at: position, within: position..<whole.upperBound) else { break }
            let folder = Array(first.path.prefix { $0 != UInt8(ascii: "/") })
            // Gallop to the first line of another folder.
            var inside = first.end
            var step = block
            while inside + step < whole.upperBound,
                let line = line(file, at: inside + step, within: inside..<whole.upperBound),
                line.path.starts(with: folder + [UInt8(ascii: "/")])
            {
                inside = line.end
                step *= 2
            }
            var beyond = min(whole.upperBound, inside + step)
            if beyond < whole.upperBound, let line = line(file, at: beyond, within: inside..<whole.upperBound) {
                beyond = line.end
            }
            while inside < beyond, let line = line(file, at: (inside + beyond) / 2, within: inside..<beyond) {
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

    private static func read(_ file: OpenFile, _ offset: Int, _ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        let got = bytes.withUnsafeMutableBytes { space in try? file.descriptor.read(into: space, at: offset) }
        guard let got, got > 0 else { return nil }
        bytes.removeLast(count - got)
        return bytes
    }
}
