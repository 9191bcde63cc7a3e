import FFSModel

/// Writes one thing with its properties as they come, as ``Output/record(_:)`` does at once: a list in it may be of any
/// length, and takes the memory of the piece that is added.
struct RecordWriter {
    private let output: Output
    private let width: Int
    private var isFirstField = true
    /// Values of the list that is being written; nil outside of one.
    private var listed: Int?

    /// - Parameter names: of everything that will be added; they decide how far values are indented.
    init(names: [String], _ output: Output) {
        self.output = output
        width = names.map(\.count).max() ?? 0
    }

    /// A whole field.
    mutating func add(_ field: Value.Field) {
        endList()
        guard output.json else { return output.line(head(field.name) + output.coloured(field.value.display)) }
        output.raw(opening(field.name) + field.value.json)
    }

    /// Begins a list; its values follow.
    mutating func beginList(_ name: String) {
        endList()
        output.raw(output.json ? opening(name) + "[" : head(name))
        listed = 0
    }

    /// More values of the list that was begun last.
    mutating func add(_ values: [Value]) {
        for value in values {
            let isFirst = listed == 0
            if output.json {
                output.raw((isFirst ? "" : ", ") + value.json)
            } else {
                output.line((isFirst ? "" : head("")) + output.coloured(value.display))
            }
            listed = (listed ?? 0) + 1
        }
    }

    mutating func finish() {
        endList()
        if output.json { output.line(isFirstField ? "{}" : "}") }
    }

    private mutating func endList() {
        guard let count = listed else { return }
        listed = nil
        if output.json { output.raw("]") } else if count == 0 { output.line(Value.list([]).display) }
    }

    private mutating func opening(_ name: String) -> String {
        defer { isFirstField = false }
        return (isFirstField ? "{" : ", ") + jsonString(name) + ": "
    }

    private func head(_ name: String) -> String {
        output.bold(name) + String(repeating: " ", count: width - name.count + 2)
    }
}
