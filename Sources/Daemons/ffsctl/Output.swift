import FFSModel
import SystemSupport

/// Where a command's result goes: aligned text for people, or with `--json` exactly one JSON value on standard
/// output. Notes, progress and errors go to standard error, so that a pipe gets the result alone.
struct Output: Sendable {
    let json: Bool
    /// Colours only on a terminal.
    private let colours: Bool

    init(json: Bool) {
        self.json = json
        colours = !json && Terminal.isTerminal(.output)
    }

    /// Rows of equal shape. `columns` are JSON's keys, and in capitals the headings for people.
    /// An empty table says `empty` on standard error and is `[]` in JSON.
    func table(_ columns: [String], _ rows: [[Value]], empty: String = "Nothing to list.") {
        var writer = TableWriter(columns, self)
        writer.add(rows)
        writer.finish(empty: empty)
    }

    /// One thing with its properties: `name  value` lines, or one JSON object.
    func record(_ fields: [Value.Field]) {
        if json { return line(Value.record(fields).json) }
        let width = fields.map(\.name.count).max() ?? 0
        for field in fields {
            let padding = String(repeating: " ", count: width - field.name.count)
            var values = [field.value.display]
            if case .list(let several) = field.value, several.count > 1 { values = several.map(\.display) }
            line(bold(field.name) + padding + "  " + coloured(values[0]))
            for value in values.dropFirst() { line(String(repeating: " ", count: width) + "  " + coloured(value)) }
        }
    }

    /// For people alone, after an empty line: each list set between its name and the right margin, 80 columns or the
    /// terminal's width up to 120.
    func paragraphs(_ fields: [Value.Field]) {
        line("")
        let indent = (fields.map(\.name.count).max() ?? 0) + 2
        let room = max(40, min(120, Terminal.width(of: .output) ?? 80) - indent)
        for field in fields {
            guard case .list(let values) = field.value else { continue }
            var lines = [""]
            for (index, value) in values.enumerated() {
                let piece = value.display + (index + 1 < values.count ? "," : "")
                let isFirst = lines[lines.count - 1].isEmpty
                if !isFirst, lines[lines.count - 1].count + piece.count + 1 > room {
                    lines.append(piece)
                } else {
                    lines[lines.count - 1] += (isFirst ? "" : " ") + piece
                }
            }
            for (index, text) in lines.enumerated() {
                let head = index == 0 ? field.name : ""
                line(bold(head) + String(repeating: " ", count: indent - head.count) + text)
            }
        }
    }

    /// What a command has done: the sentence for people, the fields in JSON.
    func done(_ sentence: String, _ fields: [Value.Field]) {
        line(json ? Value.record(fields).json : printable(sentence.utf8))
    }

    /// Text as it is, such as a sample file; with `--json`, a JSON string.
    func verbatim(_ text: String) {
        if json { return line(jsonString(text)) }
        Terminal.write(text, to: .output)
    }

    /// A remark on standard error; not with `--json`.
    func note(_ sentence: String) {
        if !json { Terminal.write(printable(sentence.utf8) + "\n", to: .error) }
    }

    /// A bar for long work, counted in bytes; silent unless standard error is a terminal and there is no `--json`.
    func progress(_ title: String, total: Int) -> Progress {
        Progress(title: title, total: total, shown: !json && Terminal.isTerminal(.error))
    }

    /// A part of a line that others go on with.
    func raw(_ text: String) { Terminal.write(text, to: .output) }

    func line(_ text: String) { Terminal.write(text + "\n", to: .output) }

    func bold(_ text: String) -> String { styled("1", text) }

    /// The words that say how things stand, in their colours.
    func coloured(_ word: String) -> String {
        switch word {
        case "ok", "up", "reloaded": styled("32", word)
        case "warning": styled("33", word)
        case "error", "down": styled("31", word)
        default: word
        }
    }

    private func styled(_ code: String, _ text: String) -> String {
        colours ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }
}
