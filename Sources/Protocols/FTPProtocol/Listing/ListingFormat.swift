package import FFSModel

/// The lines of LIST, NLST, MLSD and MLST. Names with control characters never reach a listing as they are: those
/// bytes become `?`, so that a name cannot forge a line.
package struct ListingFormat: Sendable {
    package enum Style: Sendable, Hashable {
        /// As `ls -l` with numeric nothing: owner and group are always `ffs`. In UTC.
        case long
        case names
        case machine(FactSelection)
    }

    package let style: Style
    /// Decides between `Mon dd HH:MM` and `Mon dd  yyyy`.
    private let now: Timestamp
    /// Dates repeat: most files of a product share one.
    private var dates: [Timestamp: [UInt8]] = [:]

    package init(_ style: Style, now: Timestamp) {
        self.style = style
        self.now = now
    }

    /// Appends one line with CRLF.
    package mutating func append(_ entry: ListingEntry, to out: inout [UInt8]) {
        switch style {
        case .names: break
        case .long: appendLong(entry, to: &out)
        case .machine(let selection):
            appendFacts(entry, selection, to: &out)
            out.append(UInt8(ascii: " "))
        }
        Self.appendName(entry.name, to: &out)
        out.append(UInt8(ascii: "\r"))
        out.append(UInt8(ascii: "\n"))
    }

    package static func appendName(_ name: some Collection<UInt8>, to out: inout [UInt8]) {
        for byte in name { out.append(byte < 0x20 || byte == 0x7F ? UInt8(ascii: "?") : byte) }
    }

    // MARK: LIST

    private mutating func appendLong(_ entry: ListingEntry, to out: inout [UInt8]) {
        out.append(UInt8(ascii: entry.isDirectory ? "d" : "-"))
        for shift in [6, 3, 0] as [UInt16] {
            let bits = entry.mode >> shift & 7
            out.append(bits & 4 != 0 ? UInt8(ascii: "r") : UInt8(ascii: "-"))
            // Whatever the inode says, nothing can be written here.
            out.append(UInt8(ascii: "-"))
            out.append(bits & 1 != 0 ? UInt8(ascii: "x") : UInt8(ascii: "-"))
        }
        out += entry.isDirectory ? Self.directoryOwner : Self.fileOwner
        Self.append(entry.size, width: 12, to: &out)
        out.append(UInt8(ascii: " "))
        out += date(entry.modified)
        out.append(UInt8(ascii: " "))
    }

    private static let fileOwner = Array("   1 ffs      ffs      ".utf8)
    private static let directoryOwner = Array("   2 ffs      ffs      ".utf8)
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ].map { Array($0.utf8) }

    /// `Nov 21 09:05` within the last 180 days, else `Nov 21  2025`; as ls does, in UTC.
    private mutating func date(_ time: Timestamp) -> [UInt8] {
        if let known = dates[time] { return known }
        let t = time.utc
        var out = Self.months[t.month - 1]
        out.append(UInt8(ascii: " "))
        Self.append(UInt64(t.day), width: 2, to: &out)
        out.append(UInt8(ascii: " "))
        if time <= now + 3_600, now - time < 180 * 86_400 {
            Self.appendTwo(t.hour, to: &out)
            out.append(UInt8(ascii: ":"))
            Self.appendTwo(t.minute, to: &out)
        } else {
            Self.append(UInt64(max(t.year, 0)), width: 5, to: &out)
        }
        if dates.count < 256 { dates[time] = out }
        return out
    }

    // MARK: MLSD and MLST

    private mutating func appendFacts(_ entry: ListingEntry, _ selection: FactSelection, to out: inout [UInt8]) {
        for fact in selection.facts {
            switch fact {
            case .type:
                switch entry.kind {
                case .file: out += Self.typeFile
                case .directory: out += Self.typeDirectory
                case .current: out += Self.typeCurrent
                case .parent: out += Self.typeParent
                }
            case .size:
                guard entry.kind == .file else { continue }
                out += Self.size
                Self.append(entry.size, to: &out)
            case .modify:
                out += Self.modify
                if let known = dates[entry.modified] {
                    out += known
                } else {
                    let text = Self.timeValue(entry.modified)
                    if dates.count < 256 { dates[entry.modified] = text }
                    out += text
                }
            case .perm: out += entry.isDirectory ? Self.permDirectory : Self.permFile
            case .unixMode:
                out += Self.unixMode
                for shift in [6, 3, 0] as [UInt16] {
                    out.append(UInt8(ascii: "0") + UInt8(entry.mode >> shift & 5))
                }
            case .mediaType:
                guard entry.kind == .file else { continue }
                out += Self.mediaType
                out += MediaType.of(entry.name[...]).utf8
            case .digest:
                guard let digest = entry.digest else { continue }
                out += Self.digest
                out += digest.hex
            }
            out.append(UInt8(ascii: ";"))
        }
    }

    private static let typeFile = Array("type=file".utf8)
    private static let typeDirectory = Array("type=dir".utf8)
    private static let typeCurrent = Array("type=cdir".utf8)
    private static let typeParent = Array("type=pdir".utf8)
    private static let size = Array("size=".utf8)
    private static let modify = Array("modify=".utf8)
    private static let permFile = Array("perm=r".utf8)
    private static let permDirectory = Array("perm=el".utf8)
    private static let unixMode = Array("unix.mode=0".utf8)
    private static let mediaType = Array("media-type=".utf8)
    private static let digest = Array("x.hash=SHA-256:".utf8)

    /// `YYYYMMDDHHMMSS` in UTC (RFC 3659 §2.3): MDTM's reply and the modify fact.
    package static func timeValue(_ time: Timestamp) -> [UInt8] {
        let t = time.utc
        var out: [UInt8] = []
        let year = max(t.year, 0)
        appendTwo(year / 100, to: &out)
        for part in [year % 100, t.month, t.day, t.hour, t.minute, t.second] { appendTwo(part, to: &out) }
        return out
    }

    // MARK: Numbers

    private static func appendTwo(_ value: Int, to out: inout [UInt8]) {
        out.append(UInt8(48 + value / 10 % 10))
        out.append(UInt8(48 + value % 10))
    }

    /// Decimal digits, right-aligned with blanks in `width`.
    package static func append(_ value: UInt64, width: Int = 0, to out: inout [UInt8]) {
        var digits: (UInt64, UInt64, UInt64) = (0, 0, 0)
        withUnsafeMutableBytes(of: &digits) { buffer in
            var rest = value
            var start = buffer.count
            repeat {
                start -= 1
                buffer[start] = UInt8(48 + rest % 10)
                rest /= 10
            } while rest > 0
            for _ in 0..<max(0, width - (buffer.count - start)) { out.append(UInt8(ascii: " ")) }
            out.append(contentsOf: buffer[start...])
        }
    }
}
