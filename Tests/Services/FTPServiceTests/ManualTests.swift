import FFSModel
import FTPProtocol
import TestSupport
import Testing

/// ffsftpd(8) lists the commands of the command table: each, once, with its summary.
@Suite struct ManualTests {
    @Test func commandsOfThePageAreThoseOfTheTable() throws {
        let page = try Files.read("\(Project.root)/man/man8/ffsftpd.8")
        let section = try #require(page.split(separator: "\n.Ss ").first { $0.hasPrefix("Commands\n") })
        let lines = section.split(separator: "\n")
        var entries: [String: String] = [:]
        var current: [String] = []
        for line in lines {
            if line.hasPrefix(".It Ic ") {
                current = line.dropFirst(7).split(separator: " ").prefix {
                    $0.allSatisfy { $0.isUppercase || $0.isNumber || $0 == "," }
                }
                .map(String.init).filter { $0 != "," }
            }
            for verb in current { entries[verb, default: ""] += line + "\n" }
        }
        #expect(Set(entries.keys) == Set(Verb.allCases.map(\.rawValue)))
        for row in CommandTable.rows where row.group != .refused {
            let words = row.summary.split { !$0.isLetter && !$0.isNumber && $0 != "-" }.prefix(3).map(String.init)
            let entry = entries[row.verb.rawValue] ?? ""
            for word in words { #expect(entry.contains(word), "\(row.verb.rawValue): the page does not say \(word)") }
            for alias in row.verb.aliases where alias.hasPrefix("X") && alias != "XMD" {
                #expect(entry.contains(alias), "\(row.verb.rawValue): the page does not name \(alias)")
            }
        }
    }
}
