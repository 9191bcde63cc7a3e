/// An IPv4 or IPv6 address as a number. A v4-mapped IPv6 address is always held as IPv4, so that comparing two
/// addresses of one peer never depends on the socket's family.
package struct IPAddress: Sendable, Hashable, CustomStringConvertible {
    package enum Family: Int, Sendable, Hashable {
        /// The protocol numbers of EPRT and EPSV (RFC 2428).
        case v4 = 1
        case v6 = 2
    }

    package let family: Family
    private let high: UInt64
    private let low: UInt64

    package init(v4: UInt32) {
        family = .v4
        high = 0
        low = UInt64(v4)
    }

    package init(v6High: UInt64, low: UInt64) {
        let isMapped = v6High == 0 && low >> 32 == 0xFFFF
        family = isMapped ? .v4 : .v6
        high = v6High
        self.low = isMapped ? low & 0xFFFF_FFFF : low
    }

    /// nil unless there are 4 or 16 bytes.
    package init?(bytes: some Collection<UInt8>) {
        switch bytes.count {
        case 4: self.init(v4: bytes.reduce(0) { $0 << 8 | UInt32($1) })
        case 16:
            self.init(
                v6High: bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) },
                low: bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) })
        default: return nil
        }
    }

    /// 4 or 16 bytes in network order.
    package var bytes: [UInt8] {
        switch family {
        case .v4: (0..<4).map { UInt8(truncatingIfNeeded: low >> (24 - 8 * $0)) }
        case .v6: [high, low].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) } }
        }
    }

    /// What limits and lock-outs count as one source, everywhere: an IPv4 address, or the /64 of an IPv6 address, as whoever
    /// has one address of such a network has all 2^64.
    package var source: IPNetwork { IPNetwork(self, prefix: family == .v4 ? 32 : 64) }

    package var isUnspecified: Bool { high == 0 && low == 0 }

    package var isLoopback: Bool {
        switch family {
        case .v4: low >> 24 == 127
        case .v6: high == 0 && low == 1
        }
    }

    /// The same address with all but the first `length` bits of its family's 32 or 128 cleared.
    fileprivate func masked(_ length: Int) -> IPAddress {
        func mask(_ bits: Int) -> UInt64 { bits <= 0 ? 0 : bits >= 64 ? .max : ~(UInt64.max >> UInt64(bits)) }
        switch family {
        case .v4: return IPAddress(v4: UInt32(truncatingIfNeeded: low & mask(32 + length)))
        case .v6: return IPAddress(family: .v6, high: high & mask(length), low: low & mask(length - 64))
        }
    }

    private init(family: Family, high: UInt64, low: UInt64) {
        self.family = family
        self.high = high
        self.low = low
    }

    // MARK: Text

    /// Dotted decimal, or RFC 4291 §2.2 text; nil for anything else (no zone, no name, no octal).
    package init?(text: some Collection<UInt8>) {
        let text = Array(text)
        if let v4 = Self.parseV4(text[...]) {
            self.init(v4: v4)
        } else if let groups = Self.parseV6(text) {
            self.init(
                v6High: groups[0..<4].reduce(0) { $0 << 16 | UInt64($1) },
                low: groups[4..<8].reduce(0) { $0 << 16 | UInt64($1) })
        } else {
            return nil
        }
    }

    private static func parseV4(_ text: ArraySlice<UInt8>) -> UInt32? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard let octet = decimal(part, atMost: 255), part.count == 1 || part.first != UInt8(ascii: "0") else {
                return nil
            }
            value = value << 8 | UInt32(octet)
        }
        return value
    }

    private static func parseV6(_ text: [UInt8]) -> [UInt16]? {
        guard text.count >= 2, text.count <= 45 else { return nil }
        var head: [UInt16] = []
        var tail: [UInt16]?
        var rest = text[...]
        if rest.starts(with: "::".utf8) {
            tail = []
            rest = rest.dropFirst(2)
        }
        while !rest.isEmpty {
            let part = rest.prefix { $0 != UInt8(ascii: ":") }
            if part.contains(UInt8(ascii: ".")) {
                guard part.endIndex == rest.endIndex, let v4 = parseV4(part) else { return nil }
                let groups = [UInt16(v4 >> 16), UInt16(truncatingIfNeeded: v4)]
                if tail == nil { head += groups } else { tail? += groups }
                break
            }
            guard let group = hexadecimal(part) else { return nil }
            if tail == nil { head.append(group) } else { tail?.append(group) }
            rest = rest.dropFirst(part.count)
            if rest.isEmpty { break }
            if rest.starts(with: "::".utf8) {
                guard tail == nil else { return nil }
                tail = []
                rest = rest.dropFirst(2)
            } else {
                rest = rest.dropFirst()
                guard !rest.isEmpty else { return nil }
            }
        }
        guard let tail else { return head.count == 8 ? head : nil }
        guard head.count + tail.count <= 7 else { return nil }
        return head + [UInt16](repeating: 0, count: 8 - head.count - tail.count) + tail
    }

    private static func hexadecimal(_ text: ArraySlice<UInt8>) -> UInt16? {
        guard (1...4).contains(text.count) else { return nil }
        var value: UInt16 = 0
        for byte in text {
            switch byte {
            case 0x30...0x39: value = value << 4 | UInt16(byte - 0x30)
            case 0x41...0x46: value = value << 4 | UInt16(byte - 0x41 + 10)
            case 0x61...0x66: value = value << 4 | UInt16(byte - 0x61 + 10)
            default: return nil
            }
        }
        return value
    }

    /// Dotted decimal, or eight groups with the longest run of zeros as `::` (RFC 5952).
    package var description: String {
        if family == .v4 {
            // Every line of a transfer has it: no array and no joining.
            func part(_ shift: UInt64) -> String { String(low >> shift & 0xFF) }
            return part(24) + "." + part(16) + "." + part(8) + "." + part(0)
        }
        let groups = (0..<8).map { UInt16(truncatingIfNeeded: ($0 < 4 ? high : low) >> (48 - 16 * ($0 % 4))) }
        var best = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start > max(best.count, 1) { best = start..<end }
            start = max(end, start + 1)
        }
        let text = { (part: ArraySlice<UInt16>) in part.map { String($0, radix: 16) }.joined(separator: ":") }
        return best.isEmpty
            ? text(groups[...]) : text(groups[..<best.lowerBound]) + "::" + text(groups[best.upperBound...])
    }
}

/// The number that `text` spells: decimal digits only, no sign, no blank, at most `limit`; else nil.
package func decimal(_ text: some Collection<UInt8>, atMost limit: UInt64) -> UInt64? {
    guard !text.isEmpty else { return nil }
    var value: UInt64 = 0
    for byte in text {
        guard (0x30...0x39).contains(byte) else { return nil }
        let (product, overflowed) = value.multipliedReportingOverflow(by: 10)
        let (sum, carried) = product.addingReportingOverflow(UInt64(byte - 0x30))
        guard !overflowed, !carried, sum <= limit else { return nil }
        value = sum
    }
    return value
}

/// Addresses that begin with the same bits, such as `10.0.0.0/8` and `2001:db8::/32`, or one address.
package struct IPNetwork: Sendable, Hashable, CustomStringConvertible {
    /// The first one.
    package let address: IPAddress
    /// Leading bits that all have in common: up to 32, or 128 of IPv6.
    package let prefix: Int

    /// The network of `prefix` bits that holds `address`.
    package init(_ address: IPAddress, prefix: Int) {
        self.address = address.masked(prefix)
        self.prefix = prefix
    }

    /// nil unless `text` is an address, or an address, `/` and a prefix length.
    package init?(text: some Collection<UInt8>) {
        let parts = Array(text).split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count <= 2, let address = IPAddress(text: parts[0]) else { return nil }
        let longest = address.family == .v4 ? 32 : 128
        guard let prefix = parts.count == 1 ? UInt64(longest) : decimal(parts[1], atMost: UInt64(longest)) else {
            return nil
        }
        self.init(address, prefix: Int(prefix))
    }

    package func contains(_ other: IPAddress) -> Bool {
        other.family == address.family && other.masked(prefix) == address
    }

    /// What names it among others of the same prefix length: the whole bytes that hold its prefix.
    package var bytes: [UInt8] { Array(address.bytes.prefix((prefix + 7) / 8)) }

    package var description: String {
        prefix == (address.family == .v4 ? 32 : 128) ? "\(address)" : "\(address)/\(prefix)"
    }
}
