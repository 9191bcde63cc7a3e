import TestSupport

/// The source of a manual page, read as far as the checks need: mdoc(7) macros at the line's start.
struct ManualPage {
    struct Entry {
        /// The words that follow the tag macro, up to the next macro.
        let name: String
        /// The entry's lines, its head included, until the next entry with the same tag.
        let text: String
    }

    let path: String
    let lines: [Substring]

    init(_ path: String) throws {
        self.path = path
        lines = try Files.read("\(Project.root)/\(path)").split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// All `.It <tag> …` entries.
    func entries(tag: String) -> [Entry] {
        var found: [(name: String, text: [Substring])] = []
        for line in lines {
            let words = line.split(separator: " ")
            if words.count >= 3, words[0] == ".It", words[1] == tag {
                let name = words.dropFirst(2).prefix { !Self.isMacro($0) }
                found.append((name.joined(separator: " "), [line]))
            } else if !found.isEmpty {
                found[found.count - 1].text.append(line)
            }
        }
        return found.map { Entry(name: $0.name, text: $0.text.joined(separator: "\n")) }
    }

    /// Every `--option` that the page marks with Fl.
    var options: Set<String> { Self.options(in: lines.joined(separator: "\n")) }

    static func options(in text: String) -> Set<String> {
        var found: Set<String> = []
        for line in text.split(separator: "\n") where line.hasPrefix(".") {
            let words = line.dropFirst().split(separator: " ")
            for (word, next) in zip(words, words.dropFirst()) where word == "Fl" && next.hasPrefix("-") {
                found.insert("-" + next)
            }
        }
        return found
    }

    /// mdoc's callable macros are two letters, the first a capital.
    private static func isMacro(_ word: Substring) -> Bool {
        word.utf8.count == 2 && word.first?.isUppercase == true && word.last?.isLowercase == true
    }
}
