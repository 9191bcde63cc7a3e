import Testing
import TestSupport

/// The pages docs/…-tests.md name the test of each promise: every name must exist, and docs/ftp-tests.md must name every
/// row of the FTP suites.
struct TestPageTests {
    private struct Name: Hashable, CustomStringConvertible {
        let suite: String
        let row: String
        var description: String { "\(suite)/\(row)" }
    }

    private static let clients = "\(Project.root)/Tests/Integration/Clients"

    private static func pages() throws -> [String] {
        try Files.below("\(Project.root)/docs", suffix: "-tests.md")
    }

    /// What stands on a page as `Suite/row`.
    private static func named(_ page: String) throws -> Set<Name> {
        let text = try Files.read(page)
        let quoted = text.split(separator: "`", omittingEmptySubsequences: false).enumerated()
            .filter { $0.offset % 2 == 1 }.map(\.element)
        return Set(
            quoted.compactMap { word in
                let parts = word.split(separator: "/", omittingEmptySubsequences: false)
                guard parts.count == 2, parts[0].hasSuffix("Tests"), parts[0] != "Tests" else { return nil }
                return Name(suite: String(parts[0]), row: String(parts[1]))
            })
    }

    /// Functions of the Python clients.
    private static func cases() throws -> Set<String> {
        Set(
            try Files.below(clients, suffix: ".py").flatMap { path in
                try Files.read(path).split(separator: "\n").filter { $0.hasPrefix("def ") }
                    .map { String($0.dropFirst("def ".count).prefix { $0 != "(" }) }
            })
    }

    /// Suite → its text from its declaration to the next suite's.
    private static func suites() -> [String: String] {
        var found: [String: String] = [:]
        for file in SourceTree.tests {
            var suite: String?
            for line in file.lines {
                let words = line.split { !($0.isLetter || $0.isNumber || $0 == "_") }
                if !line.hasPrefix(" "), let place = words.firstIndex(where: { $0 == "struct" || $0 == "class" }),
                    place + 1 < words.count
                {
                    suite = String(words[place + 1])
                }
                if let suite { found[suite, default: ""] += line + "\n" }
            }
        }
        return found
    }

    @Test(arguments: try pages()) func everyNameExists(page: String) throws {
        let (names, suites, cases) = (try Self.named(page), Self.suites(), try Self.cases())
        #expect(names.count > 10)
        for name in names {
            guard let text = suites[name.suite] else {
                Issue.record("\(page) names \(name); there is no suite \(name.suite)")
                continue
            }
            let isArgument = text.contains("\"\(name.row)\"") && cases.contains(name.row)
            #expect(isArgument || text.contains("func \(name.row)("), "\(page) names \(name), which is nowhere")
        }
    }

    @Test func noRowIsMissing() throws {
        let (names, cases) = (try Self.named("\(Project.root)/docs/ftp-tests.md"), try Self.cases())
        let suites = Self.suites().filter { suite, _ in
            SourceTree.tests.contains { $0.path == "Tests/Integration/FTP/\(suite).swift" }
                && suite.hasSuffix("Tests") && !suite.hasPrefix("Customer") && suite != "RowTests"
        }
        #expect(suites.count >= 6)
        for (suite, text) in suites {
            let quoted = Set(text.split(separator: "\"", omittingEmptySubsequences: false).map(String.init))
            for row in quoted.intersection(cases) where Self.played[suite]?.contains(row) != true {
                let isNamed = names.contains(Name(suite: suite, row: row))
                #expect(isNamed, "docs/ftp-tests.md does not name \(suite)/\(row)")
            }
        }
    }

    /// Cases that a function of the suite plays, whose own name the page gives.
    private static let played: [String: Set<String>] = [
        "FTPStateTests": ["every_command_in_every_state"], "FTPAttackTests": ["ended_account"],
        "FTPTLSTests": [
            "server_names", "exchange", "command_line", "early", "protocols", "words", "every_end_is_told",
        ],
        "HTTPSSideTests": [
            "full", "rates", "who_and_kick", "rolling_restart", "proxied", "ended_account", "refused_alike",
            "slow_requests",
        ],
    ]
}
