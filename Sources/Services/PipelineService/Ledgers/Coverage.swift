/// Which bytes of a file have arrived: the union of ranges, whatever their order and wherever they came from.
struct Coverage: Sendable, Hashable {
    /// In ascending order, apart from each other.
    private(set) var ranges: [Range<UInt64>] = []

    /// Ranges that are kept of one file; who needs more than these has not fetched a file.
    static let most = 4_096

    init() {}

    /// How many bytes are in it.
    var count: UInt64 { ranges.reduce(0) { $0 + ($1.upperBound - $1.lowerBound) } }

    mutating func insert(_ range: Range<UInt64>) {
        guard !range.isEmpty else { return }
        let first = ranges.firstIndex { $0.upperBound >= range.lowerBound } ?? ranges.endIndex
        let end = ranges[first...].firstIndex { $0.lowerBound > range.upperBound } ?? ranges.endIndex
        guard first < end else {
            if ranges.count < Self.most { ranges.insert(range, at: first) }
            return
        }
        let lower = min(range.lowerBound, ranges[first].lowerBound)
        let upper = max(range.upperBound, ranges[end - 1].upperBound)
        ranges.replaceSubrange(first..<end, with: [lower..<upper])
    }

    /// Pairs of big-endian numbers.
    var bytes: [UInt8] {
        ranges.flatMap { range in
            [range.lowerBound, range.upperBound].flatMap { word in
                (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * UInt64($0))) }
            }
        }
    }

    /// nil for bytes that ``bytes`` would not have made.
    init?(bytes: [UInt8]) {
        guard bytes.count.isMultiple(of: 16) else { return nil }
        func word(_ start: Int) -> UInt64 { bytes[start..<start + 8].reduce(0) { $0 << 8 | UInt64($1) } }
        for start in stride(from: 0, to: bytes.count, by: 16) {
            let (lower, upper) = (word(start), word(start + 8))
            guard lower < upper, ranges.last.map({ $0.upperBound < lower }) ?? true else { return nil }
            ranges.append(lower..<upper)
        }
    }
}
