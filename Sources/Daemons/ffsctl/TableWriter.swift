import FFSModel

/// Writes a table's rows as they come, so that a list of any length takes one page's memory: aligned text for people, with
/// `--json` one array. Columns are as wide as the first rows need; a later, longer cell pushes only its own row.
struct TableWriter {
    private let columns: [String]
    private let output: Output
    private var widths: [Int] = []
    private var flushRight: [Bool] = []
    private var count = 0

    init(_ columns: [String], _ output: Output) {
        self.columns = columns
        self.output = output
    }

    mutating func add(_ rows: [[Value]]) {
        guard !rows.isEmpty else { return }
        if output.json { return addJSON(rows) }
        let texts = rows.map { $0.map(\.display) }
        if count == 0 {
            flushRight = columns.indices.map { index in
                rows.contains { $0[index].isNumeric } && rows.allSatisfy { $0[index].isNumeric || $0[index] == .none }
            }
        }
        widths = columns.indices.map { index in
            max(
                count == 0 ? columns[index].count : widths[index],
                texts.reduce(0) { max($0, $1[index].count) })
        }
        if count == 0 { output.line(set(columns.map { $0.uppercased() }, style: output.bold)) }
        for row in texts { output.line(set(row, style: output.coloured)) }
        count += rows.count
    }

    /// Ends the table; one without rows says `empty` on standard error and is `[]` in JSON.
    func finish(empty: String) {
        if output.json { return output.line(count == 0 ? "[]" : "\n]") }
        if count == 0 { output.note(empty) }
    }

    private mutating func addJSON(_ rows: [[Value]]) {
        var text = ""
        for row in rows {
            text += count == 0 ? "[\n  " : ",\n  "
            text += Value.record(zip(columns, row).map { Value.Field($0, $1) }).json
            count += 1
        }
        output.raw(text)
    }

    private func set(_ cells: [String], style: (String) -> String) -> String {
        cells.indices.map { index -> String in
            let padding = String(repeating: " ", count: max(0, widths[index] - cells[index].count))
            if flushRight[index] { return padding + style(cells[index]) }
            return style(cells[index]) + (index == cells.count - 1 ? "" : padding)
        }.joined(separator: "  ")
    }
}
