import ConfigurationSchema
import Testing
import TestSupport

/// One declaration makes an option; everything else follows or is compared with it.
struct OptionTests {
    @Test func keysAreUniqueAndWellFormed() {
        let keys = Options.all.map(\.key)
        #expect(Set(keys).count == keys.count)
        #expect(Set(Options.all.map(\.environmentName)).count == keys.count, "two options share a variable")
        for option in Options.all {
            let parts = option.key.split(separator: ".", omittingEmptySubsequences: false)
            let wellFormed =
                parts.count == 2
                && parts.allSatisfy { part in
                    !part.isEmpty && part.utf8.allSatisfy { (0x61...0x7A).contains($0) || $0 == 0x2D }
                }
            #expect(wellFormed, "\(option.key) is not group.name in lower case")
            #expect(option.summary.hasSuffix("."), "\(option.key): the summary is not a sentence")
            #expect(option.complaint(about: option.defaultText) == nil, "\(option.key) refuses its own default")
        }
    }

    /// A group's options stand together, as the sample file writes each group once.
    @Test func groupsAreWhole() {
        var closed: Set<Substring> = []
        var current: Substring = ""
        for option in Options.all {
            let group = option.key.split(separator: ".")[0]
            guard group != current else { continue }
            #expect(closed.insert(group).inserted, "\(group) appears in two places of Options.all")
            current = group
        }
    }

    @Test func everyKeyIsDeclaredInOnePlace() {
        let schema = SourceTree.sources.filter { $0.components[2] == "ConfigurationSchema" }
        for option in Options.all {
            let places = schema.flatMap { file in file.lines.filter { $0.contains("\"\(option.key)\"") } }
            #expect(places.count == 1, "\(option.key) is declared \(places.count) times")
        }
    }

    /// An option that nothing reads is a promise broken.
    @Test func everyOptionIsRead() throws {
        let users = SourceTree.sources.filter { $0.components[2] != "ConfigurationSchema" }
        for file in SourceTree.sources where file.components[2] == "ConfigurationSchema" {
            for line in file.lines where line.contains("package static let ") && line.contains("= Option(") {
                let name = try #require(line.split(separator: " ").drop { $0 != "let" }.dropFirst().first)
                let isRead = users.contains { user in
                    user.lines.contains { $0.contains("Options.") && $0.mentions(".\(name)") }
                }
                #expect(isRead, "\(file.path): nothing reads \(name)")
            }
        }
    }

    /// etc/ffs.yaml is what `ffsctl config sample` prints.
    @Test func sampleFileFollowsTheDeclarations() async throws {
        let sample = try await command(Project.program("ffsctl"), "config", "sample").succeeded().output
        let stored = try Files.read(Project.root + "/etc/ffs.yaml")
        #expect(sample == stored, "run: ffsctl config sample > etc/ffs.yaml")
    }

    /// ffs.yaml(5) has an entry for each option, with its default, unit and bounds, and no other.
    @Test func manualPageFollowsTheDeclarations() throws {
        let page = try ManualPage("man/man5/ffs.yaml.5")
        let entries = page.entries(tag: "Cm")
        #expect(entries.map(\.name).sorted() == Options.all.map(\.key).sorted())
        for option in Options.all {
            guard let entry = entries.first(where: { $0.name == option.key }) else { continue }
            var wanted = [option.defaultText.isEmpty ? "empty" : option.defaultText]
            if let unit = option.unit { wanted.append(unit) }
            if let bounds = option.bounds { wanted += ["\(bounds.lowerBound)", "\(bounds.upperBound)"] }
            for word in wanted {
                #expect(entry.text.contains(word), "ffs.yaml(5), \(option.key): the entry does not say \(word)")
            }
        }
    }
}

extension Substring {
    /// Whether `name` stands in it and does not go on as a longer identifier.
    fileprivate func mentions(_ name: String) -> Bool {
        var rest = self[...]
        while let first = rest.firstRange(of: name) {
            let next = rest[first.upperBound...].first
            if next.map({ !($0.isLetter || $0.isNumber || $0 == "_") }) ?? true { return true }
            rest = rest[first.upperBound...]
        }
        return false
    }
}
