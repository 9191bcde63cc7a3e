package import FFSModel

/// The argument of EPSV (RFC 2428 §3).
package enum ExtendedPassive: Sendable, Hashable {
    case same
    case family(IPAddress.Family)
    case all
}

/// The argument of LIST, NLST and STAT: `ls`-like options, which are never paths, and a path.
package struct ListArgument: Sendable, Hashable {
    /// `-R`
    package var isRecursive = false
    /// `-d`: the directory itself. All other options are accepted and change nothing; accounts have no hidden names.
    package var isDirectoryItself = false
    /// nil: the current directory.
    package var path: [UInt8]?

    package init() {}
}

/// First and last byte, both included (draft-bryan-ftp-range). `1 0` resets.
package struct FileRange: Sendable, Hashable {
    package let first: UInt64
    package let last: UInt64

    package init(first: UInt64, last: UInt64) {
        self.first = first
        self.last = last
    }
}

/// The argument of XCRC and relatives: a path, then optionally one or two offsets.
package struct DigestArgument: Sendable, Hashable {
    package var path: [UInt8]
    /// The argument as sent: a file's name may end in digits.
    package var whole: [UInt8]
    package var start: UInt64?
    /// The last byte, as in the servers that invented these commands.
    package var end: UInt64?

    package init(path: [UInt8], whole: [UInt8], start: UInt64? = nil, end: UInt64? = nil) {
        self.path = path
        self.whole = whole
        self.start = start
        self.end = end
    }
}

/// What may follow a verb: the rows of the command table are made from these.
enum Grammar {
    static func none(_ text: ArraySlice<UInt8>) throws(ArgumentError) {
        guard text.isEmpty else { throw .syntax }
    }

    static func text(_ text: ArraySlice<UInt8>) throws(ArgumentError) -> [UInt8] {
        guard !text.isEmpty else { throw .syntax }
        return Array(text)
    }

    static func anything(_ text: ArraySlice<UInt8>) -> [UInt8] { Array(text) }

    static func optional(_ text: ArraySlice<UInt8>) -> [UInt8]? { text.isEmpty ? nil : Array(text) }

    /// A decimal number; a sign makes it none.
    static func number(_ text: ArraySlice<UInt8>) throws(ArgumentError) -> UInt64 {
        guard let value = decimal(text, atMost: .max) else { throw .syntax }
        return value
    }

    /// `ALLO 1000` and `ALLO 1000 R 80` (RFC 959 §5.3.1).
    static func allocation(_ text: ArraySlice<UInt8>) throws(ArgumentError) {
        let words = text.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        _ = try number(words[0])
        if words.count == 1 { return }
        guard words.count == 3, words[1].elementsEqual("R".utf8) else { throw .syntax }
        _ = try number(words[2])
    }

    /// 2^63 - 2: where the last byte of the largest file is, as 2^63 - 1 is the largest off_t and so its size.
    private static let largestOffset = UInt64(Int64.max) - 1
    /// What some clients mean by "to the end".
    private static let largestEnd = UInt64(Int64.max)

    /// A file offset: 0 to 2^63 - 2.
    static func offset(_ text: ArraySlice<UInt8>) throws(ArgumentError) -> UInt64 {
        guard let value = decimal(text, atMost: largestOffset) else { throw .syntax }
        return value
    }

    static func range(_ text: ArraySlice<UInt8>) throws(ArgumentError) -> FileRange {
        let parts = text.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw .syntax }
        return FileRange(first: try offset(parts[0]), last: try offset(parts[1]))
    }

    static func hostPort(_ text: ArraySlice<UInt8>) throws(ArgumentError) -> Endpoint {
        guard let endpoint = Endpoint(hostPort: text) else { throw .syntax }
        return endpoint
    }

    static func extendedHostPort(_ text: ArraySlice<UInt8>) throws(ArgumentError) -> Endpoint {
        do { return try Endpoint(extended: text) } catch { throw error == .syntax ? .syntax : .networkProtocol }
    }

    static func extendedPassive(_ text: ArraySlice<UInt8>) throws(ArgumentError) -> ExtendedPassive {
        if text.isEmpty { return .same }
        if text.count == 3, text.elementsEqual("ALL".utf8, by: { $0 & 0xDF == $1 }) { return .all }
        guard let number = decimal(text, atMost: 65_535) else { throw .syntax }
        guard let family = IPAddress.Family(rawValue: Int(number)) else { throw .networkProtocol }
        return .family(family)
    }

    static func host(_ text: ArraySlice<UInt8>) throws(ArgumentError) -> HostName {
        guard let name = HostName(text) else { throw .syntax }
        return name
    }

    /// Words that start with `-` are options up to the first that does not, or to `--`.
    static func list(_ text: ArraySlice<UInt8>) -> ListArgument {
        var argument = ListArgument()
        var rest = text
        while rest.first == UInt8(ascii: "-") {
            let word = rest.prefix { $0 != UInt8(ascii: " ") }
            if word.contains(UInt8(ascii: "R")) { argument.isRecursive = true }
            if word.contains(UInt8(ascii: "d")) { argument.isDirectoryItself = true }
            rest = rest.dropFirst(word.count).drop { $0 == UInt8(ascii: " ") }
            if word.elementsEqual("--".utf8) { break }
        }
        argument.path = optional(rest)
        return argument
    }

    /// nil: of the session, not of a path.
    static func status(_ text: ArraySlice<UInt8>) -> ListArgument? { text.isEmpty ? nil : list(text) }

    /// A path in quotes, or up to the trailing numbers: `a b.iso 0 1024`.
    static func digest(_ text: ArraySlice<UInt8>) throws(ArgumentError) -> DigestArgument {
        guard !text.isEmpty else { throw .syntax }
        var argument = DigestArgument(path: Array(text), whole: Array(text))
        var numbers: [UInt64] = []
        if text.first == UInt8(ascii: "\""), let close = text.dropFirst().lastIndex(of: UInt8(ascii: "\"")) {
            argument.path = Array(text[(text.startIndex + 1)..<close])
            numbers = text[(close + 1)...].split(separator: UInt8(ascii: " "))
                .compactMap { decimal($0, atMost: largestEnd) }
        } else {
            var rest = text
            while numbers.count < 2, let space = rest.lastIndex(of: UInt8(ascii: " ")), space > rest.startIndex,
                let number = decimal(rest[(space + 1)...], atMost: largestEnd)
            {
                numbers.insert(number, at: 0)
                rest = rest[..<space]
            }
            argument.path = Array(rest)
        }
        argument.start = numbers.first
        argument.end = numbers.count > 1 ? numbers[1] : nil
        return argument
    }
}

/// Why an argument is refused.
package enum ArgumentError: Error, Sendable, Hashable {
    case syntax
    /// 522: EPRT or EPSV with a protocol other than IPv4 and IPv6.
    case networkProtocol

    /// What the client is told about it.
    package func reply(for row: CommandRow) -> Reply {
        switch self {
        case .syntax:
            let syntax = row.syntax.isEmpty ? "without an argument" : row.syntax
            return Reply(501, "Use: \(row.verb.rawValue) \(syntax)")
        case .networkProtocol: return Reply(522, "Network protocol not supported, use (1,2)")
        }
    }
}
