/// `Range: bytes=…`, RFC 9110 §14.
package enum ByteRanges {
    package enum Selection: Sendable, Hashable {
        /// No range, one that is malformed, or so many that they only cost: the whole file with 200.
        case whole
        /// At least one, each inside the file, in the order asked.
        case parts([Range<Int>])
        /// Well formed, and nothing of it is inside the file: 416.
        case unsatisfiable
    }

    /// More ranges than this, or ranges that together exceed the file, are answered with the whole file
    /// (RFC 9110 §14.2, §17.15: overlapping ranges as a way to make a server work).
    package static let most = 16

    /// `value`: the header field's value; `size`: bytes of the file.
    package static func select(_ value: [UInt8], size: Int) -> Selection {
        let unit = Array("bytes=".utf8)
        guard value.count > unit.count, value.prefix(unit.count).map(lowercased).elementsEqual(unit) else {
            return .whole
        }
        var parts: [Range<Int>] = []
        var specifications = 0
        for piece in value.dropFirst(unit.count).split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            let text = trimmed(piece)
            // Empty list elements are allowed (RFC 9110 §5.6.1).
            if text.isEmpty { continue }
            specifications += 1
            guard specifications <= most, let range = parse(text, size: size) else { return .whole }
            if let range, !range.isEmpty { parts.append(range) }
        }
        guard specifications > 0 else { return .whole }
        guard !parts.isEmpty else { return .unsatisfiable }
        let total = parts.reduce(0) { $0 + $1.count }
        return total > size ? .whole : .parts(parts)
    }

    /// Outer nil: malformed; inner nil: outside the file.
    private static func parse(_ text: ArraySlice<UInt8>, size: Int) -> Range<Int>?? {
        guard let dash = text.firstIndex(of: UInt8(ascii: "-")) else { return nil }
        let first = text[..<dash]
        let last = text[(dash + 1)...]
        if first.isEmpty {
            guard let count = number(last) else { return nil }
            return count == 0 || size == 0 ? .some(nil) : max(0, size - count)..<size
        }
        guard let start = number(first) else { return nil }
        var end = size
        if !last.isEmpty {
            guard let given = number(last), given >= start else { return nil }
            end = min(size, given == Int.max ? size : given + 1)
        }
        return start < size ? start..<end : .some(nil)
    }

    /// Decimal digits; numbers beyond Int.max count as Int.max.
    private static func number(_ text: ArraySlice<UInt8>) -> Int? {
        guard !text.isEmpty, text.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return text.reduce(0) { value, digit in
            let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(Int(digit - 0x30))
            return overflow || carry ? Int.max : sum
        }
    }
}

func lowercased(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte + 32 : byte }

/// Without optional white space around it (RFC 9110 §5.6.3).
func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var text = text
    while let first = text.first, first == 0x20 || first == 0x09 { text = text.dropFirst() }
    while let last = text.last, last == 0x20 || last == 0x09 { text = text.dropLast() }
    return text
}
