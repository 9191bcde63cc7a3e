import TestSupport

/// The project's Swift files, read once.
enum SourceTree {
    struct File: Sendable {
        /// From the clone's top, such as `Sources/Model/FFSModel/Names.swift`.
        let path: String
        let lines: [Substring]

        /// `Sources`, layer, module, …
        var components: [Substring] { path.split(separator: "/") }

        /// Modules it imports, without submodules' and declarations' names.
        var imports: Set<String> {
            Set(
                lines.compactMap { line in
                    var words = line.split(separator: " ")[...]
                    while let word = words.first,
                        ["package", "internal", "public", "private", "fileprivate"].contains(word)
                            || word.hasPrefix("@")
                    { words.removeFirst() }
                    guard words.first == "import", words.count >= 2 else { return nil }
                    let kinds: Set<Substring> = [
                        "struct", "class", "enum", "protocol", "func", "var", "let", "typealias",
                    ]
                    let name =
                        kinds.contains(words[words.startIndex + 1]) ? words.dropFirst(2).first : words.dropFirst().first
                    return name.flatMap { $0.split(separator: ".").first.map(String.init) }
                })
        }
    }

    static let sources = (try? load("Sources")) ?? []
    static let tests = (try? load("Tests")) ?? []

    private static func load(_ folder: String) throws -> [File] {
        try Files.below("\(Project.root)/\(folder)", suffix: ".swift").map { path in
            File(
                path: String(path.dropFirst(Project.root.count + 1)),
                lines: try Files.read(path).split(separator: "\n", omittingEmptySubsequences: false))
        }
    }
}
