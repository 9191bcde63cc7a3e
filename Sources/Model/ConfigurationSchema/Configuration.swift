/// The values in force: defaults, overlaid by ffs.yaml, `FFS_…` variables and `--set`, in that order.
/// Always valid: `set` refuses what an option does not accept.
package struct Configuration: Sendable {
    /// Where a value came from, for errors and `--print-config`.
    package enum Source: Sendable, Hashable, CustomStringConvertible {
        case `default`
        /// A file's path and the line, 1-based, where it is known.
        case file(String, line: Int?)
        case environment(String)
        case commandLine

        package var description: String {
            switch self {
            case .default: "default"
            case .file(let path, let line): line.map { "\(path):\($0)" } ?? path
            case .environment(let name): name
            case .commandLine: "--set"
            }
        }
    }

    /// What is wrong with one setting.
    package struct Problem: Error, Sendable, Hashable, CustomStringConvertible {
        package let key: String
        package let source: Source
        package let complaint: String

        package init(key: String, source: Source, complaint: String) {
            self.key = key
            self.source = source
            self.complaint = complaint
        }

        package var description: String { "\(source): \(key) \(complaint)" }
    }

    private var texts: [String: (text: String, source: Source)] = [:]

    package init() {}

    /// The value of `option`.
    package subscript<Value>(_ option: Option<Value>) -> Value {
        guard let text = texts[option.key]?.text, let value = Value(optionText: text) else {
            return option.defaultValue
        }
        return value
    }

    /// Sets `key`, or throws why not: unknown key (with the nearest known one), wrong type, out of bounds.
    package mutating func set(_ key: String, to text: String, from source: Source) throws(Problem) {
        guard let option = Options.all.first(where: { $0.key == key }) else {
            let nearest = Options.all.map(\.key).min { editDistance($0, key) < editDistance($1, key) }
            let hint = nearest.map { editDistance($0, key) <= 4 ? "; did you mean \($0)?" : "" } ?? ""
            throw Problem(key: key, source: source, complaint: "is not an option\(hint) (see ffs.yaml(5))")
        }
        if let complaint = option.complaint(about: text) {
            throw Problem(key: key, source: source, complaint: complaint)
        }
        texts[key] = (text, source)
    }

    /// Every option with its value in force and where it came from, in declaration order.
    package var settings: [(option: any AnyOption, text: String, source: Source)] {
        Options.all.map { option in
            let setting = texts[option.key]
            return (option, setting?.text ?? option.defaultText, setting?.source ?? .default)
        }
    }
}

/// Levenshtein distance, for "did you mean".
func editDistance(_ a: String, _ b: String) -> Int {
    let b = Array(b.utf8)
    var row = Array(0...b.count)
    for (i, x) in a.utf8.enumerated() {
        var previous = row[0]
        row[0] = i + 1
        for j in b.indices {
            let cost = min(row[j + 1] + 1, row[j] + 1, previous + (x == b[j] ? 0 : 1))
            previous = row[j + 1]
            row[j + 1] = cost
        }
    }
    return row[b.count]
}
