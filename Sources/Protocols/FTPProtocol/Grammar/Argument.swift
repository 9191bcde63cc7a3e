/// What may follow a verb; the table names one for each.
package enum ArgumentGrammar: Sendable {
    case none
    /// Whatever follows, even nothing: PASS, and verbs that are refused anyway.
    case anything
    case text, optionalText
    case path, optionalPath
    /// `ls`-like options, which are never paths, and a path: LIST, NLST, STAT.
    case listing
    /// A decimal number; its sign makes it no number.
    case number
    /// A file offset: 0 to 2^63 - 2.
    case offset
    /// Two file offsets, first and last byte (draft-bryan-ftp-range).
    case range
    case hostPort, extendedHostPort, extendedPassive
    /// A path, then optionally one or two offsets: XCRC and relatives.
    case digestRange
}

/// A parsed argument.
package enum Argument: Sendable, Hashable {
    case none
    case text([UInt8])
    /// nil where the grammar allows no path.
    case path([UInt8]?)
    case listing(ListOptions, path: [UInt8]?)
    case number(UInt64)
    case range(first: UInt64, last: UInt64)
    case endpoint(Endpoint)
    case extendedPassive(ExtendedPassive)
    /// `whole` is the argument as sent: a file's name may end in digits.
    case digestRange(path: [UInt8], whole: [UInt8], start: UInt64?, end: UInt64?)
}

/// The argument of EPSV (RFC 2428 §3).
package enum ExtendedPassive: Sendable, Hashable {
    case same
    case family(IPAddress.Family)
    case all
}

/// Options of LIST that change what is listed; all others are accepted and ignored.
package struct ListOptions: Sendable, Hashable {
    /// `-R`
    package var recursive = false
    /// `-a`, `-A`: names that start with a dot; accounts have none, and a listing hides nothing.
    package var all = false
    /// `-d`: the directory itself.
    package var directoryItself = false

    package init() {}
}

extension ArgumentGrammar {
    /// The refusal that a malformed argument gets; `row` supplies the syntax for its text.
    package func parse(_ text: ArraySlice<UInt8>) throws(ArgumentError) -> Argument {
        switch self {
        case .none:
            guard text.isEmpty else { throw .syntax }
            return .none
        case .anything: return .text(Array(text))
        case .text:
            guard !text.isEmpty else { throw .syntax }
            return .text(Array(text))
        case .optionalText: return text.isEmpty ? .none : .text(Array(text))
        case .path:
            guard !text.isEmpty else { throw .syntax }
            return .path(Array(text))
        case .optionalPath: return .path(text.isEmpty ? nil : Array(text))
        case .listing: return Self.listing(text)
        case .number:
            guard let value = decimal(text, atMost: .max) else { throw .syntax }
            return .number(value)
        case .offset:
            guard let value = decimal(text, atMost: Self.largestOffset) else { throw .syntax }
            return .number(value)
        case .range:
            let parts = text.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
            guard parts.count == 2, let first = decimal(parts[0], atMost: Self.largestOffset),
                let last = decimal(parts[1], atMost: Self.largestOffset)
            else { throw .syntax }
            return .range(first: first, last: last)
        case .hostPort:
            guard let endpoint = Endpoint(hostPort: text) else { throw .syntax }
            return .endpoint(endpoint)
        case .extendedHostPort:
            do { return .endpoint(try Endpoint(extended: text)) } catch {
                throw error == .syntax ? .syntax : .networkProtocol
            }
        case .extendedPassive: return .extendedPassive(try Self.extendedPassive(text))
        case .digestRange:
            guard !text.isEmpty else { throw .syntax }
            return Self.digestRange(text)
        }
    }

    /// 2^63 - 2: where the last byte of the largest file is, as 2^63 - 1 is the largest off_t and so its size.
    private static let largestOffset = UInt64(Int64.max) - 1
    /// What some clients mean by "to the end".
    private static let largestEnd = UInt64(Int64.max)

    private static func extendedPassive(_ text: ArraySlice<UInt8>) throws(ArgumentError) -> ExtendedPassive {
        if text.isEmpty { return .same }
        if text.count == 3, text.elementsEqual("ALL".utf8, by: { $0 & 0xDF == $1 }) { return .all }
        guard let number = decimal(text, atMost: 65_535) else { throw .syntax }
        guard let family = IPAddress.Family(rawValue: Int(number)) else { throw .networkProtocol }
        return .family(family)
    }

    /// Words that start with `-` are options up to the first that does not, or to `--`.
    private static func listing(_ text: ArraySlice<UInt8>) -> Argument {
        var options = ListOptions()
        var rest = text
        while rest.first == UInt8(ascii: "-") {
            let word = rest.prefix { $0 != UInt8(ascii: " ") }
            for byte in word {
                switch byte {
                case UInt8(ascii: "R"): options.recursive = true
                case UInt8(ascii: "a"), UInt8(ascii: "A"): options.all = true
                case UInt8(ascii: "d"): options.directoryItself = true
                default: break
                }
            }
            rest = rest.dropFirst(word.count).drop { $0 == UInt8(ascii: " ") }
            if word.elementsEqual("--".utf8) { break }
        }
        return .listing(options, path: rest.isEmpty ? nil : Array(rest))
    }

    /// A path in quotes, or up to the trailing numbers: `a b.iso 0 1024`.
    private static func digestRange(_ text: ArraySlice<UInt8>) -> Argument {
        let whole = Array(text)
        if text.first == UInt8(ascii: "\""), let close = text.dropFirst().lastIndex(of: UInt8(ascii: "\"")) {
            let path = Array(text[(text.startIndex + 1)..<close])
            let numbers = text[(close + 1)...].split(separator: UInt8(ascii: " "))
                .compactMap { decimal($0, atMost: largestEnd) }
            return .digestRange(
                path: path, whole: whole, start: numbers.first, end: numbers.count > 1 ? numbers[1] : nil)
        }
        var numbers: [UInt64] = []
        var rest = text
        while numbers.count < 2, let space = rest.lastIndex(of: UInt8(ascii: " ")), space > rest.startIndex,
            let number = decimal(rest[(space + 1)...], atMost: largestEnd)
        {
            numbers.insert(number, at: 0)
            rest = rest[..<space]
        }
        return .digestRange(
            path: Array(rest), whole: whole, start: numbers.first, end: numbers.count > 1 ? numbers[1] : nil)
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
