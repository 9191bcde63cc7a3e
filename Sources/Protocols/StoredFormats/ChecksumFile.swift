package import FFSModel

/// `SHA256SUMS` as GNU sha256sum(1) writes and `sha256sum -c` reads it: digest, two spaces, name. A name with a
/// backslash, line feed or carriage return is escaped and its line starts with a backslash.
package enum ChecksumFile {
    /// One line, with its line feed.
    package static func appendLine(_ digest: ContentDigest, path: some Sequence<UInt8>, to out: inout [UInt8]) {
        let path = Array(path)
        let escapes = path.contains { $0 == 0x5C || $0 == 0x0A || $0 == 0x0D }
        if escapes { out.append(0x5C) }
        digest.appendHex(to: &out)
        out.append(contentsOf: [0x20, 0x20])
        if escapes {
            for byte in path {
                switch byte {
                case 0x5C: out.append(contentsOf: [0x5C, 0x5C])
                case 0x0A: out.append(contentsOf: [0x5C, UInt8(ascii: "n")])
                case 0x0D: out.append(contentsOf: [0x5C, UInt8(ascii: "r")])
                default: out.append(byte)
                }
            }
        } else {
            out.append(contentsOf: path)
        }
        out.append(0x0A)
    }

    /// The lines for all files of `manifest` when they lie in `folder`.
    package static func render(_ manifest: Manifest, folder: String) -> [UInt8] {
        var out: [UInt8] = []
        let prefix = Array("\(folder)/".utf8)
        out.reserveCapacity(manifest.pathBytes.count + manifest.rows.count * (67 + prefix.count))
        for row in manifest.rows { appendLine(row.digest, path: prefix + manifest.path(of: row), to: &out) }
        return out
    }
}
