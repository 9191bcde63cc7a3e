/// A value an option can have. The text forms are those of ffs.yaml, of `FFS_…` variables and of `--set`.
package protocol OptionValue: Sendable, Equatable {
    /// The word for the type in ffs.yaml(5), such as `number`.
    static var typeName: String { get }
    init?(optionText: String)
    var optionText: String { get }
}

extension Int: OptionValue {
    package static var typeName: String { "number" }
    package init?(optionText: String) { self.init(optionText) }
    package var optionText: String { String(self) }
}

extension Bool: OptionValue {
    package static var typeName: String { "true or false" }
    package init?(optionText: String) {
        switch optionText {
        case "true", "yes", "on": self = true
        case "false", "no", "off": self = false
        default: return nil
        }
    }
    package var optionText: String { self ? "true" : "false" }
}

extension String: OptionValue {
    package static var typeName: String { "text" }
    package init?(optionText: String) { self = optionText }
    package var optionText: String { self }
}

/// A list; its text form separates with commas, in YAML it may also be a sequence.
extension Array: OptionValue where Element == String {
    package static var typeName: String { "list" }
    package init?(optionText: String) {
        self = optionText.split(separator: ",").map { part in
            String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
        }
    }
    package var optionText: String { joined(separator: ", ") }
}

/// A choice among words: an enum with text raw values.
package protocol OptionChoice: OptionValue, RawRepresentable, CaseIterable where RawValue == String {}

extension OptionChoice {
    package static var typeName: String { allCases.map(\.rawValue).joined(separator: " | ") }
    package init?(optionText: String) { self.init(rawValue: optionText) }
    package var optionText: String { rawValue }
}

/// Declares one option, once: the loader, `--print-config`, the sample file and ffs.yaml(5)'s check all read this.
package struct Option<Value: OptionValue>: Sendable {
    /// Dotted path in ffs.yaml, such as `ftp.port`; the variable is `FFS_FTP_PORT`.
    package let key: String
    package let defaultValue: Value
    /// `s`, `byte`, `connections` …; nil for what has none.
    package let unit: String?
    /// Accepted numbers; nil for other types.
    package let bounds: ClosedRange<Int>?
    /// What it does and why one would change it; full sentences.
    package let summary: String

    package init(
        _ key: String, _ defaultValue: Value, unit: String? = nil, bounds: ClosedRange<Int>? = nil, _ summary: String
    ) {
        self.key = key
        self.defaultValue = defaultValue
        self.unit = unit
        self.bounds = bounds
        self.summary = summary
    }
}

/// An option whose value type does not matter to the caller.
package protocol AnyOption: Sendable {
    var key: String { get }
    var unit: String? { get }
    var bounds: ClosedRange<Int>? { get }
    var summary: String { get }
    var typeName: String { get }
    var defaultText: String { get }
    /// nil when `text` is a value of this option, else what is wrong with it.
    func complaint(about text: String) -> String?
}

extension Option: AnyOption {
    package var typeName: String { Value.typeName }
    package var defaultText: String { defaultValue.optionText }

    package func complaint(about text: String) -> String? {
        guard let value = Value(optionText: text) else {
            let article = ["number", "list"].contains(typeName) ? "a " : ""
            return "must be \(article)\(typeName), not \"\(text)\""
        }
        if let bounds, let number = value as? Int, !bounds.contains(number) {
            let unit = unit.map { " \($0)" } ?? ""
            return "must be from \(bounds.lowerBound) to \(bounds.upperBound)\(unit), not \(number)"
        }
        return nil
    }
}

extension AnyOption {
    /// `FFS_FTP_PASSIVE_PORTS` for `ftp.passive-ports`.
    package var environmentName: String {
        let name = key.utf8.map { byte -> UInt8 in
            switch byte {
            case UInt8(ascii: "."), UInt8(ascii: "-"): UInt8(ascii: "_")
            case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - 32
            default: byte
            }
        }
        return "FFS_" + String(decoding: name, as: UTF8.self)
    }
}
