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
    /// What the last line had around its size and in front of its name. Most files of a product share it.
    private var frame = Frame()
    private var frames: [Frame.Key: Frame] = [:]
    private static let mostFrames = 256
    /// Facts that depend on the name or the content, and so are in no frame.
    private let ownFacts: [Fact]
    private let isBare: Bool
    private let isMachine: Bool

    private struct Frame {
        struct Key: Hashable {
            var kind: ListingEntry.Kind
            var modified: Timestamp
            var mode: UInt16
        }

        /// NLST shows names alone.
        static let bare = Key(kind: .file, modified: Timestamp(seconds: 0), mode: 0)

        var key: Key?
        var before: [UInt8] = []
        /// Width of the size, which comes between; nil for none.
        var size: Int?
        var after: [UInt8] = []
    }

    package init(_ style: Style, now: Timestamp) {
        self.style = style
        self.now = now
        isBare = style == .names
        if case .machine(let selection) = style {
            isMachine = true
            ownFacts = selection.facts.filter { $0 == .mediaType || $0 == .digest }
        } else {
            isMachine = false
            ownFacts = []
        }
    }

    /// Appends one line with CRLF.
    package mutating func append(_ entry: ListingEntry, to out: inout [UInt8]) {
        entry.name.withUnsafeBufferPointer { name in
            append(
                name, prefix: [], entry.kind, size: entry.size, modified: entry.modified, mode: entry.mode,
                digest: entry.digest, to: &out)
        }
    }

    /// The same without an entry made for it: a hundred thousand lines take some milliseconds.
    ///
    /// - Parameters:
    ///   - prefix: what goes in front of the name.
    ///   - mode: permission bits, 0 to 0o777.
    package mutating func append(
        _ name: UnsafeBufferPointer<UInt8>, prefix: [UInt8], _ kind: ListingEntry.Kind, size: UInt64,
        modified: Timestamp, mode: UInt16, digest: ContentDigest?, to out: inout [UInt8]
    ) {
        let key = isBare ? Frame.bare : Frame.Key(kind: kind, modified: modified, mode: mode)
        if frame.key != key { reframe(key) }
        out.append(contentsOf: frame.before)
        if let width = frame.size {
            Self.append(size, width: width, to: &out)
            out.append(contentsOf: frame.after)
        }
        if !ownFacts.isEmpty { appendOwnFacts(name, kind, digest, to: &out) }
        if isMachine { out.append(UInt8(ascii: " ")) }
        if !prefix.isEmpty { Self.appendName(prefix, to: &out) }
        Self.appendName(name, to: &out)
        out.append(contentsOf: Self.lineEnd)
    }

    private mutating func reframe(_ key: Frame.Key) {
        if let known = frames[key] { return frame = known }
        frame = Frame(key: key)
        switch style {
        case .names: break
        case .long: frameLong(key)
        case .machine(let selection): for fact in selection.facts { frameFact(fact, key) }
        }
        if frames.count < Self.mostFrames { frames[key] = frame }
    }

    private static let lineEnd = Array("\r\n".utf8)

    package static func appendName(_ name: [UInt8], to out: inout [UInt8]) {
        name.withUnsafeBufferPointer { appendName($0, to: &out) }
    }

    private static func appendName(_ name: UnsafeBufferPointer<UInt8>, to out: inout [UInt8]) {
        // Without a branch, so that many bytes are looked at together.
        var controls: UInt8 = 0
        for byte in name { controls |= (byte < 0x20 ? 1 : 0) | (byte == 0x7F ? 1 : 0) }
        guard controls != 0 else { return out.append(contentsOf: name) }
        for byte in name { out.append(byte < 0x20 || byte == 0x7F ? UInt8(ascii: "?") : byte) }
    }

    // MARK: LIST

    private mutating func frameLong(_ key: Frame.Key) {
        let isDirectory = key.kind != .file
        frame.before = [UInt8(ascii: isDirectory ? "d" : "-")]
        for shift in [6, 3, 0] as [UInt16] {
            let bits = key.mode >> shift & 7
            frame.before.append(bits & 4 != 0 ? UInt8(ascii: "r") : UInt8(ascii: "-"))
            // Whatever the inode says, nothing can be written here.
            frame.before.append(UInt8(ascii: "-"))
            frame.before.append(bits & 1 != 0 ? UInt8(ascii: "x") : UInt8(ascii: "-"))
        }
        frame.before += (isDirectory ? "   2 ffs      ffs      " : "   1 ffs      ffs      ").utf8
        frame.size = 12
        frame.after = date(key.modified)
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ].map { Array($0.utf8) }

    /// ` Nov 21 09:05 ` within the last 180 days, else ` Nov 21  2025 `; as ls does, in UTC.
    private func date(_ time: Timestamp) -> [UInt8] {
        let t = time.utc
        var out = [UInt8(ascii: " ")] + Self.months[t.month - 1] + [UInt8(ascii: " ")]
        Self.append(UInt64(t.day), width: 2, to: &out)
        out.append(UInt8(ascii: " "))
        if time <= now + 3_600, now - time < 180 * 86_400 {
            Self.appendTwo(t.hour, to: &out)
            out.append(UInt8(ascii: ":"))
            Self.appendTwo(t.minute, to: &out)
        } else {
            Self.append(UInt64(max(t.year, 0)), width: 5, to: &out)
        }
        out.append(UInt8(ascii: " "))
        return out
    }

    // MARK: MLSD and MLST

    private mutating func frameFact(_ fact: Fact, _ key: Frame.Key) {
        let text: [UInt8]
        switch fact {
        case .type:
            let type =
                switch key.kind {
                case .file: "file"
                case .directory: "dir"
                case .current: "cdir"
                case .parent: "pdir"
                }
            text = Array("type=\(type);".utf8)
        case .size:
            guard key.kind == .file else { return }
            frame.before += "size=".utf8
            frame.size = 0
            text = Array(";".utf8)
        case .modify: text = Array("modify=".utf8) + Self.timeValue(key.modified) + Array(";".utf8)
        case .perm: text = Array((key.kind == .file ? "perm=r;" : "perm=el;").utf8)
        case .unixMode:
            let digits = [6, 3, 0].map { UInt8(ascii: "0") + UInt8(key.mode >> $0 & 5) }
            text = Array("unix.mode=0".utf8) + digits + Array(";".utf8)
        case .mediaType, .digest: return
        }
        if frame.size == nil { frame.before += text } else { frame.after += text }
    }

    private func appendOwnFacts(
        _ name: UnsafeBufferPointer<UInt8>, _ kind: ListingEntry.Kind, _ digest: ContentDigest?, to out: inout [UInt8]
    ) {
        guard kind == .file else { return }
        for fact in ownFacts {
            if fact == .mediaType {
                out.append(contentsOf: Self.mediaType)
                out.append(contentsOf: MediaType.of(Array(name)[...]).utf8)
            } else if let digest {
                out.append(contentsOf: Self.digest)
                out.append(contentsOf: digest.hex)
            } else {
                continue
            }
            out.append(UInt8(ascii: ";"))
        }
    }

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

    /// Decimal digits, right-aligned with blanks in `width`, which is 24 at most.
    package static func append(_ value: UInt64, width: Int = 0, to out: inout [UInt8]) {
        // 24 blanks.
        let blanks: UInt64 = 0x2020_2020_2020_2020
        var digits = (blanks, blanks, blanks)
        withUnsafeMutableBytes(of: &digits) { buffer in
            var rest = value
            var start = buffer.count
            repeat {
                start -= 1
                buffer[start] = UInt8(48 + rest % 10)
                rest /= 10
            } while rest > 0
            out.append(contentsOf: buffer[min(start, buffer.count - width)...])
        }
    }
}
