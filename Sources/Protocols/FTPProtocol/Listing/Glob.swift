/// The patterns of LIST and NLST in a path's last component: `*`, `?`, `[a-z]`, `[!a-z]`, and `\` before a literal.
///
/// Matching backtracks only to the last star, so it takes at most pattern × name steps, whatever the pattern.
package struct Glob: Sendable {
    private enum Piece: Sendable {
        case literal(UInt8)
        case any
        case star
        case set([ClosedRange<UInt8>], negated: Bool)
    }

    private var pieces: [Piece] = []

    /// Whether `text` has a character that makes it a pattern.
    package static func isPattern(_ text: some Collection<UInt8>) -> Bool {
        text.contains { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "[") }
    }

    package init(_ text: ArraySlice<UInt8>) {
        var i = text.startIndex
        while i < text.endIndex {
            switch text[i] {
            case UInt8(ascii: "*"):
                if case .star? = pieces.last {} else { pieces.append(.star) }
            case UInt8(ascii: "?"): pieces.append(.any)
            case UInt8(ascii: "["):
                if let (piece, end) = Self.set(text[(i + 1)...]) {
                    pieces.append(piece)
                    i = end
                } else {
                    pieces.append(.literal(text[i]))
                }
            case UInt8(ascii: "\\") where i + 1 < text.endIndex:
                i += 1
                pieces.append(.literal(text[i]))
            default: pieces.append(.literal(text[i]))
            }
            i += 1
        }
    }

    /// The set after `[`, and the index of its `]`; nil when it is not closed.
    private static func set(_ text: ArraySlice<UInt8>) -> (Piece, Int)? {
        var i = text.startIndex
        var ranges: [ClosedRange<UInt8>] = []
        let negated = text.first == UInt8(ascii: "!") || text.first == UInt8(ascii: "^")
        if negated { i += 1 }
        let start = i
        while i < text.endIndex {
            if text[i] == UInt8(ascii: "]"), i > start { return (.set(ranges, negated: negated), i) }
            if i + 2 < text.endIndex, text[i + 1] == UInt8(ascii: "-"), text[i + 2] != UInt8(ascii: "]") {
                if text[i] <= text[i + 2] { ranges.append(text[i]...text[i + 2]) }
                i += 3
            } else {
                ranges.append(text[i]...text[i])
                i += 1
            }
        }
        return nil
    }

    /// Whether the whole of `name` fits.
    package func matches(_ name: some RandomAccessCollection<UInt8>) -> Bool {
        let name = Array(name)
        var p = 0
        var n = 0
        var star: (piece: Int, name: Int)?
        while n < name.count {
            if p < pieces.count, case .star = pieces[p] {
                star = (p, n)
                p += 1
            } else if p < pieces.count, Self.matches(pieces[p], name[n]) {
                p += 1
                n += 1
            } else if let back = star {
                star = (back.piece, back.name + 1)
                p = back.piece + 1
                n = back.name + 1
            } else {
                return false
            }
        }
        while p < pieces.count, case .star = pieces[p] { p += 1 }
        return p == pieces.count
    }

    private static func matches(_ piece: Piece, _ byte: UInt8) -> Bool {
        switch piece {
        case .literal(let literal): literal == byte
        case .any: true
        case .star: false
        case .set(let ranges, let negated): ranges.contains { $0.contains(byte) } != negated
        }
    }
}
