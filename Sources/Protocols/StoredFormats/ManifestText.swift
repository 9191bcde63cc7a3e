import FFSModel

private let newline = UInt8(ascii: "\n")
private let space = UInt8(ascii: " ")
private let backslash = UInt8(ascii: "\\")
private let slash = UInt8(ascii: "/")

extension Manifest {
    private static let magic = Array("ffs-manifest 1 ".utf8)

    /// The canonical bytes.
    package func serialized() -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(pathBytes.count + rows.count * 80 + 64)
        out.append(contentsOf: Self.magic)
        out.append(contentsOf: "\(rows.count) \(totalSize)\n".utf8)
        pathBytes.withUnsafeBufferPointer { paths in
            for row in rows {
                row.digest.appendHex(to: &out)
                out.append(space)
                appendDecimal(row.size, to: &out)
                out.append(space)
                out.append(row.isExecutable ? UInt8(ascii: "x") : UInt8(ascii: "-"))
                out.append(space)
                Self.escape(
                    UnsafeBufferPointer(rebasing: paths[row.pathOffset..<row.pathOffset + row.pathLength]), &out)
                out.append(newline)
            }
        }
        return out
    }

    private static func escape(_ path: UnsafeBufferPointer<UInt8>, _ out: inout [UInt8]) {
        for byte in path {
            switch byte {
            case backslash: out.append(contentsOf: [backslash, backslash])
            case 0x20...0x7E: out.append(byte)
            default:
                out.append(contentsOf: [backslash, UInt8(ascii: "x")])
                out.append(contentsOf: Hex.encode(CollectionOfOne(byte)))
            }
        }
    }

    /// The totals in a manifest's first line, without its line feed; nil when it is none.
    package static func totals(firstLine line: [UInt8]) -> (files: Int, bytes: Int)? {
        guard line.starts(with: magic) else { return nil }
        let numbers = line[magic.count...].split(separator: space, omittingEmptySubsequences: false)
            .compactMap { Int(String(decoding: $0, as: UTF8.self)) }
        guard numbers.count == 2, numbers.allSatisfy({ $0 >= 0 }) else { return nil }
        return (numbers[0], numbers[1])
    }

    /// The first files of a manifest, at most `limit`, from the bytes at its start; a line that they cut short is left
    /// out. What follows is not looked at, so whoever needs a sound manifest parses all of it.
    package static func head(_ bytes: [UInt8], limit: Int) throws(ManifestError) -> [File] {
        let manifest = try bytes.withUnsafeBufferPointer { buffer throws(ManifestError) in
            var scanner = ManifestScanner(bytes: buffer)
            return try scanner.head(magic: magic, limit: limit)
        }
        return manifest.rows.indices.map(manifest.file)
    }

    /// Accepts exactly what ``serialized()`` writes.
    static func parse(_ bytes: [UInt8]) throws(ManifestError) -> Manifest {
        try bytes.withUnsafeBufferPointer { buffer throws(ManifestError) in
            var scanner = ManifestScanner(bytes: buffer)
            return try scanner.manifest(magic: magic)
        }
    }
}

/// One pass over the bytes; nothing is allocated for a row but its share of the flat arrays.
private struct ManifestScanner {
    let bytes: UnsafeBufferPointer<UInt8>
    var position = 0
    var line = 1
    /// The path of the row being read, unescaped.
    var path: [UInt8] = []

    init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    func failure(_ reason: String) -> ManifestError { ManifestError(reason, line: line) }

    mutating func manifest(magic: [UInt8]) throws(ManifestError) -> Manifest {
        guard bytes.count > magic.count, bytes[..<magic.count].elementsEqual(magic) else {
            throw failure("not an FFS manifest of format 1")
        }
        position = magic.count
        let count = try decimal(end: space)
        let total = try decimal(end: newline)
        // A row has at least 71 bytes: a forged count cannot make us reserve more than the file's own size.
        guard count <= Manifest.fileLimit, count <= bytes.count / 70 else {
            throw failure("the file count does not fit the file")
        }
        var manifest = Manifest(reserving: count, pathBytes: bytes.count - count * 69)
        while position < bytes.count {
            line += 1
            try row(into: &manifest)
        }
        guard manifest.rows.count == count, manifest.totalSize == total else {
            throw ManifestError("the first line's totals do not match the rows", line: 1)
        }
        try manifest.checkWhole()
        return manifest
    }

    mutating func head(magic: [UInt8], limit: Int) throws(ManifestError) -> Manifest {
        guard bytes.count > magic.count, bytes[..<magic.count].elementsEqual(magic) else {
            throw failure("not an FFS manifest of format 1")
        }
        position = magic.count
        let count = min(try decimal(end: space), limit)
        _ = try decimal(end: newline)
        var manifest = Manifest(reserving: 0, pathBytes: 0)
        while manifest.rows.count < count, bytes[position...].contains(newline) {
            line += 1
            try row(into: &manifest)
        }
        return manifest
    }

    mutating func row(into manifest: inout Manifest) throws(ManifestError) {
        guard position + 65 < bytes.count, bytes[position + 64] == space else { throw failure("cut short") }
        let digest = ContentDigest(words: (try word(), try word(), try word(), try word()))
        position += 1
        let size = try decimal(end: space)
        guard position + 2 < bytes.count, bytes[position + 1] == space else { throw failure("cut short") }
        let isExecutable: Bool
        switch bytes[position] {
        case UInt8(ascii: "x"): isExecutable = true
        case UInt8(ascii: "-"): isExecutable = false
        default: throw failure("the third field is neither x nor -")
        }
        position += 2
        try unescapePath()
        try manifest.append(path: path[...], digest: digest, size: size, isExecutable: isExecutable, line: line)
    }

    /// Sixteen lower-case hexadecimal digits.
    mutating func word() throws(ManifestError) -> UInt64 {
        var value: UInt64 = 0
        for index in position..<position + 16 {
            let byte = bytes[index]
            switch byte {
            case 0x30...0x39: value = value << 4 | UInt64(byte - 0x30)
            case 0x61...0x66: value = value << 4 | UInt64(byte - 0x61 + 10)
            default: throw failure("a digest is not 64 lower-case hexadecimal digits")
            }
        }
        position += 16
        return value
    }

    /// Digits without leading zeros, then `end`.
    mutating func decimal(end: UInt8) throws(ManifestError) -> Int {
        let start = position
        var value = 0
        while position < bytes.count, (0x30...0x39).contains(bytes[position]) {
            let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(Int(bytes[position] - 0x30))
            guard !overflow, !carry else { throw failure("a number is too large") }
            value = sum
            position += 1
        }
        guard position > start, position == start + 1 || bytes[start] != 0x30, position < bytes.count,
            bytes[position] == end
        else { throw failure("a number is malformed") }
        position += 1
        return value
    }

    /// Reads to the end of the line into `path`, checking the rules of ``RelativePath`` on the way.
    mutating func unescapePath() throws(ManifestError) {
        path.removeAll(keepingCapacity: true)
        var componentStart = 0
        while true {
            guard position < bytes.count else { throw failure("the last line has no line feed") }
            var byte = bytes[position]
            position += 1
            if byte == newline { break }
            if byte == backslash {
                byte = try escaped()
            } else {
                guard (0x20...0x7E).contains(byte) else { throw failure("a path holds a byte that must be escaped") }
            }
            if byte == slash {
                try checkComponent(from: componentStart)
                componentStart = path.count + 1
            }
            path.append(byte)
        }
        try checkComponent(from: componentStart)
        guard path.count <= 4095 else { throw failure("a path has more than 4,095 bytes") }
    }

    func checkComponent(from start: Int) throws(ManifestError) {
        let length = path.count - start
        guard length > 0 else { throw failure("a path has an empty component") }
        guard length <= 255 else { throw failure("a file name has more than 255 bytes") }
        let dot = UInt8(ascii: ".")
        if path[start] == dot, length == 1 || length == 2 && path[start + 1] == dot {
            throw failure("a path has a '.' or '..' component")
        }
    }

    /// What follows a backslash: another one, or `xhh` for a byte that may not stand for itself.
    mutating func escaped() throws(ManifestError) -> UInt8 {
        guard position < bytes.count else { throw failure("cut short") }
        if bytes[position] == backslash {
            position += 1
            return backslash
        }
        guard position + 2 < bytes.count, bytes[position] == UInt8(ascii: "x"),
            let value = Hex.decode(bytes[position + 1...position + 2])?.first, value >= 0x80
        else { throw failure("a path's escape is malformed, or hides a control character") }
        position += 3
        return value
    }
}

private func appendDecimal(_ value: Int, to out: inout [UInt8]) {
    if value < 10 {
        out.append(0x30 + UInt8(value))
    } else {
        out.append(contentsOf: String(value).utf8)
    }
}
