package import ConfigurationSchema
import FFSModel
import Yams

/// Reads ffs.yaml(5): defaults, then the file, then `FFS_…` variables, then `--set`.
///
/// swift-configuration is not used here because it looks keys up and so cannot say that a file holds a key nobody
/// asks for; an operator's misspelt option must be an error that names the line.
package enum ConfigurationLoader {
    /// All problems at once, so that an operator mends a file in one go.
    package struct Problems: Error, CustomStringConvertible {
        package let all: [Configuration.Problem]
        package var description: String { all.map(\.description).joined(separator: "\n") }
    }

    /// - Parameters:
    ///   - file: path of ffs.yaml; a missing file is an error only when it is not the default path.
    ///   - settings: `key=value` from the command line.
    ///   - environment: the process environment.
    ///   - read: the file's text; nil when there is no such file.
    package static func load(
        file: String, settings: [String], environment: [String: String], read: (String) throws -> String?
    ) throws -> Configuration {
        var configuration = Configuration()
        var problems: [Configuration.Problem] = []
        func attempt(_ key: String, _ text: String, _ source: Configuration.Source) {
            do throws(Configuration.Problem) { try configuration.set(key, to: text, from: source) } catch {
                problems.append(error)
            }
        }
        if let text = try read(file) {
            do {
                for setting in try parse(text, file: file) { attempt(setting.key, setting.text, setting.source) }
            } catch let error as Configuration.Problem { problems.append(error) }
        } else if file != defaultConfigurationFile {
            throw Failure(.configuration, "there is no configuration file \(file)")
        }
        for option in Options.all {
            if let text = environment[option.environmentName] {
                attempt(option.key, text, .environment(option.environmentName))
            }
        }
        for setting in settings {
            guard let equals = setting.utf8.firstIndex(of: UInt8(ascii: "=")) else {
                problems.append(
                    Configuration.Problem(key: setting, source: .commandLine, complaint: "must be written key=value"))
                continue
            }
            attempt(String(setting[..<equals]), String(setting[setting.utf8.index(after: equals)...]), .commandLine)
        }
        guard problems.isEmpty else { throw Problems(all: problems) }
        return configuration
    }

    /// A key that its mapping has twice. Yams knows where it is first; the next one is the next line of the same depth
    /// that begins with it, and the group it belongs to the last line before it that begins at the margin.
    private static func repetition(
        of name: String, first: Mark, _ text: String, file: String
    ) -> Configuration.Problem {
        let lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let indent = max(0, first.column - 1)
        func key(_ line: Substring.UTF8View) -> Substring.UTF8View? {
            guard line.prefix(while: { $0 == UInt8(ascii: " ") }).count == indent else { return nil }
            return line.dropFirst(indent).prefix { $0 != UInt8(ascii: ":") && $0 != UInt8(ascii: " ") }
        }
        let second = lines.indices.dropFirst(first.line).first { key(lines[$0])?.elementsEqual(name.utf8) == true }
        let group = lines.prefix(max(0, first.line - 1)).last { $0.first?.isASCIILetterOrDigit == true }
        let prefix =
            indent == 0
            ? "" : group.map { String(decoding: $0.prefix { $0 != UInt8(ascii: ":") }, as: UTF8.self) + "." } ?? ""
        return Configuration.Problem(
            key: prefix + name, source: .file(file, line: second.map { $0 + 1 } ?? first.line),
            complaint: second == nil ? "appears twice" : "appears twice, first at line \(first.line)")
    }

    /// The file's settings in order, nested keys joined by dots.
    static func parse(
        _ text: String, file: String
    ) throws -> [(key: String, text: String, source: Configuration.Source)] {
        let root: Node?
        do { root = try Yams.compose(yaml: text) } catch let YamlError.duplicatedKeysInMapping(names, context) {
            throw Self.repetition(of: names.first ?? "", first: context.mark, text, file: file)
        } catch {
            throw Configuration.Problem(
                key: "the file", source: .file(file, line: nil), complaint: "is not YAML: \(error)")
        }
        var found: [(key: String, text: String, source: Configuration.Source)] = []
        func walk(_ node: Node, _ key: String) throws {
            let source = Configuration.Source.file(file, line: node.mark?.line)
            switch node {
            case .scalar(let scalar):
                // A key with nothing behind it, or with everything behind it commented out, sets nothing.
                if scalar.string.isEmpty && scalar.style == .plain { return }
                found.append((key, scalar.string, source))
            case .sequence(let sequence):
                let parts = try sequence.map { item -> String in
                    guard case .scalar(let scalar) = item else {
                        throw Configuration.Problem(
                            key: key, source: source, complaint: "must be a list of plain values")
                    }
                    return scalar.string
                }
                found.append((key, parts.joined(separator: ","), source))
            case .mapping(let mapping):
                var seen: Set<String> = []
                for (name, value) in mapping {
                    guard let name = name.string else {
                        throw Configuration.Problem(key: key, source: source, complaint: "has a key that is not text")
                    }
                    let inner = key.isEmpty ? name : key + "." + name
                    guard seen.insert(name).inserted else {
                        throw Configuration.Problem(key: inner, source: source, complaint: "appears twice")
                    }
                    try walk(value, inner)
                }
            case .alias:
                throw Configuration.Problem(
                    key: key, source: source, complaint: "uses a YAML alias, which ffs.yaml does not")
            }
        }
        if let root { try walk(root, "") }
        return found
    }
}

extension Configuration {
    /// ffs.yaml text of every option with its value in force; what `--print-config` shows and
    /// the sample file is made of.
    /// - Parameter commented: sample form: values commented out, defaults only.
    package func yaml(commented: Bool = false) -> String {
        var lines: [String] = []
        var group = ""
        for (option, text, source) in settings {
            let parts = option.key.split(separator: ".", maxSplits: 1)
            if parts[0] != group {
                group = String(parts[0])
                if !lines.isEmpty { lines.append("") }
                lines.append("\(group):")
            }
            lines += wrap(option.summary, width: 96).map { "  # \($0)" }
            var facts = [option.typeName]
            if let unit = option.unit, let bounds = option.bounds {
                facts = ["\(inFull(unit)), \(bounds.lowerBound) to \(bounds.upperBound)"]
            }
            if !commented, source != .default { facts.append("from \(source)") }
            lines.append("  # (\(facts.joined(separator: "; ")))")
            let value = commented ? option.defaultText : text
            lines.append("  \(commented ? "#" : "")\(parts[1]): \(quotedIfNeeded(value))")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

/// A unit as a heading for numbers.
private func inFull(_ unit: String) -> String {
    switch unit {
    case "s": "seconds"
    case "byte": "bytes"
    default: unit
    }
}

private func wrap(_ text: String, width: Int) -> [String] {
    var lines = [""]
    for word in text.split(separator: " ") {
        if !lines[lines.count - 1].isEmpty, lines[lines.count - 1].utf8.count + word.utf8.count >= width {
            lines.append("")
        }
        lines[lines.count - 1] += (lines[lines.count - 1].isEmpty ? "" : " ") + word
    }
    return lines
}

/// YAML needs quotes where a plain scalar would be read as something else.
private func quotedIfNeeded(_ value: String) -> String {
    let plain = value.utf8.allSatisfy { $0.isASCIILetterOrDigit || "/._-, ".utf8.contains($0) }
    if plain, let first = value.utf8.first, first.isASCIILetterOrDigit || first == UInt8(ascii: "/") { return value }
    let escaped = value.flatMap { $0 == "\"" || $0 == "\\" ? "\\\($0)" : "\($0)" }
    return "\"\(String(escaped))\""
}
