import FFSModel

/// One value in a command's result: people get `display`, programs get `json`.
indirect enum Value: Sendable, Hashable {
    case text(String)
    case number(Int)
    case flag(Bool)
    /// A size in bytes: `2.0 GiB` for people, the number in JSON.
    case bytes(Int)
    /// Seconds: `3 d 4 h` for people, the number in JSON.
    case seconds(Int)
    /// RFC 3339 in both.
    case moment(Timestamp)
    case list([Value])
    case record([Field])
    /// `-` for people, null in JSON.
    case none

    struct Field: Sendable, Hashable {
        let name: String
        let value: Value

        init(_ name: String, _ value: Value) {
            self.name = name
            self.value = value
        }
    }

    /// A value that may be absent.
    init<T>(_ optional: T?, _ make: (T) -> Value) { self = optional.map(make) ?? .none }

    /// Text of anything that describes itself (names, digests, versions).
    static func name(_ value: some CustomStringConvertible) -> Value { .text(value.description) }

    /// Whether a table sets it flush right.
    var isNumeric: Bool {
        switch self {
        case .number, .bytes, .seconds: true
        default: false
        }
    }

    var display: String {
        switch self {
        case .text(let text): printable(text.utf8)
        case .number(let number): "\(number)"
        case .flag(let flag): flag ? "yes" : "no"
        case .bytes(let count): humanBytes(count)
        case .seconds(let count): humanSeconds(count)
        case .moment(let moment): moment.description
        case .list(let values): values.isEmpty ? "-" : values.map(\.display).joined(separator: ", ")
        case .record(let fields): fields.map { "\($0.name) \($0.value.display)" }.joined(separator: ", ")
        case .none: "-"
        }
    }

    var json: String {
        switch self {
        case .text(let text): jsonString(text)
        case .number(let number), .bytes(let number), .seconds(let number): "\(number)"
        case .flag(let flag): flag ? "true" : "false"
        case .moment(let moment): "\"\(moment)\""
        case .list(let values): "[" + values.map(\.json).joined(separator: ", ") + "]"
        case .record(let fields):
            "{" + fields.map { jsonString($0.name) + ": " + $0.value.json }.joined(separator: ", ") + "}"
        case .none: "null"
        }
    }
}

/// A JSON string literal, RFC 8259 §7.
func jsonString(_ text: String) -> String { String(decoding: JSON.string(text.utf8), as: UTF8.self) }

/// `1 file`, `2000 files`.
func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

/// `512 B`, `1.5 KiB`, `2.0 GiB`: binary units, one decimal.
func humanBytes(_ count: Int) -> String {
    guard count >= 1_024 else { return "\(count) B" }
    var tenths = Double(count) / 1_024 * 10
    for unit in ["KiB", "MiB", "GiB"] {
        let rounded = Int(tenths.rounded())
        if rounded < 10_240 { return "\(rounded / 10).\(rounded % 10) \(unit)" }
        tenths /= 1_024
    }
    let rounded = Int(tenths.rounded())
    return "\(rounded / 10).\(rounded % 10) TiB"
}

/// The two largest units: `3 d 4 h`, `12 min 5 s`, `7 s`.
func humanSeconds(_ count: Int) -> String {
    guard count > 0 else { return "\(count) s" }
    var rest = count
    var words: [String] = []
    for (size, unit) in [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")] {
        if rest >= size && words.count < 2 { words.append("\(rest / size) \(unit)") }
        rest %= size
    }
    return words.joined(separator: " ")
}
