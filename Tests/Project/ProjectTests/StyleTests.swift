import Testing
import TestSupport

/// What a reviewer should not have to say.
struct StyleTests {
    static let longest = 450

    @Test func filesStayShort() {
        for file in SourceTree.sources + SourceTree.tests {
            #expect(file.lines.count <= Self.longest, "\(file.path) has \(file.lines.count) lines; split it")
        }
    }

    @Test func nothingIsLeftForLater() {
        // Spelt apart, so that this file passes its own test.
        let marks = ["TO" + "DO", "FIX" + "ME", "X" + "XX:", "not " + "implemented", "not built " + "yet"]
        for file in SourceTree.sources + SourceTree.tests {
            for (number, line) in file.lines.enumerated() {
                for mark in marks where line.contains(mark) {
                    Issue.record("\(file.path):\(number + 1): \(mark)")
                }
            }
            #expect(!file.path.hasSuffix("Placeholder.swift"), "\(file.path) is a placeholder")
        }
    }

    @Test func errorsAreNotForced() {
        for file in SourceTree.sources {
            for (number, line) in file.lines.enumerated() where line.contains("try!") || line.contains("as!") {
                Issue.record("\(file.path):\(number + 1): \(line)")
            }
        }
    }

    /// `@unchecked Sendable` stands only where the line above, or the same line, says why it is true.
    @Test func uncheckedSendableIsProven() {
        for file in SourceTree.sources {
            for (number, line) in file.lines.enumerated() where line.contains("@unchecked Sendable") {
                let proven = line.contains("//") || number > 0 && file.lines[number - 1].contains("//")
                #expect(proven, "\(file.path):\(number + 1) gives no reason")
            }
        }
    }

    @Test(.timeLimit(.minutes(5))) func formatterIsSilent() async throws {
        let result = try await command(
            "swift", "format", "lint", "--strict", "--recursive", "--parallel", "Package.swift", "Sources", "Tests",
            directory: Project.root, timeout: .seconds(240))
        #expect(result.status == 0, "\(result)")
    }

    @Test func shellcheckIsSilent() async throws {
        let scripts = try ["etc", "scripts", "Tests/Hosts"].flatMap {
            try Files.below("\(Project.root)/\($0)", suffix: ".sh")
        }
        let result = try await command(
            ["shellcheck", "install.sh", ".ci/run"] + scripts, directory: Project.root)
        #expect(result.status == 0, "\(result)")
    }
}
