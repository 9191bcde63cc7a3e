/// How data is represented (RFC 959 §3): TYPE, STRU, MODE.
package struct Representation: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        /// TYPE A: line ends are CRLF on the wire.
        case ascii
        /// TYPE I, and L 8: bytes as they are.
        case image
    }

    package enum Structure: Sendable, Hashable {
        case file
        /// STRU R: each line is a record, marked by the escapes of RFC 959 §3.4.1.
        case record
    }

    package var kind = Kind.ascii
    package var structure = Structure.file
    /// MODE Z: data is one zlib stream (draft-preston-ftpext-deflate-04). Offsets and sizes are those without it.
    package var isDeflated = false

    package init() {}

    /// Whether bytes go out exactly as they are stored.
    package var isVerbatim: Bool { kind == .image && structure == .file }

    mutating func setType(_ text: [UInt8]) -> Reply {
        switch String(decoding: text, as: UTF8.self).uppercased() {
        case "A", "A N":
            kind = .ascii
            return Reply(200, "TYPE is now A.")
        case "I", "L 8":
            kind = .image
            return Reply(200, "TYPE is now I.")
        case "E", "E N", "E T", "E C", "A T", "A C": return Reply(504, "TYPE A, TYPE I and TYPE L 8 are supported.")
        case let other where other.hasPrefix("L "): return Reply(504, "Bytes have 8 bits here: TYPE L 8.")
        default: return Reply(501, "Use: TYPE A [N]|I|L 8")
        }
    }

    mutating func setStructure(_ text: [UInt8]) -> Reply {
        switch String(decoding: text, as: UTF8.self).uppercased() {
        case "F":
            structure = .file
            return Reply(200, "STRU is now F.")
        case "R":
            structure = .record
            return Reply(200, "STRU is now R.")
        case "P": return Reply(504, "STRU F and STRU R are supported.")
        default: return Reply(501, "Use: STRU F|R")
        }
    }

    mutating func setMode(_ text: [UInt8]) -> Reply {
        switch String(decoding: text, as: UTF8.self).uppercased() {
        case "S":
            isDeflated = false
            return Reply(200, "MODE is now S.")
        case "Z":
            isDeflated = true
            return Reply(200, "MODE is now Z.")
        case "B", "C": return Reply(504, "MODE S and MODE Z are supported.")
        default: return Reply(501, "Use: MODE S|Z")
        }
    }
}

/// The part of a file that the next transfer covers: REST (RFC 3659 §5) and RANG (draft-bryan-ftp-range).
package enum Restart: Sendable, Hashable {
    case whole
    case from(UInt64)
    /// Both ends are part of it.
    case range(first: UInt64, last: UInt64)

    /// The bytes of a file of `size`, or nil when the start lies beyond its end. An end past the file's is the file's.
    package func resolve(size: UInt64) -> Range<UInt64>? {
        switch self {
        case .whole: return 0..<size
        case .from(let first): return first <= size ? first..<size : nil
        case .range(let first, let last):
            guard first < size, last >= first else { return nil }
            return first..<min(last + 1, size)
        }
    }
}
