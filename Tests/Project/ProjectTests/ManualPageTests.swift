import FoundationEssentials
import Testing
import TestSupport

/// Manual pages against the programs that they describe.
struct ManualPageTests {
    static let pages: [String] = ((try? Files.below("\(Project.root)/man")) ?? []).map {
        String($0.dropFirst(Project.root.count + 1))
    }

    @Test func everyPageIsThere() {
        let wanted = [
            "man/man5/ffs-keybag.5", "man/man5/ffs.yaml.5", "man/man7/ffs-commlink.7", "man/man7/ffs.7",
            "man/man8/ffsauthd.8", "man/man8/ffsctl.8", "man/man8/ffsftpd.8", "man/man8/ffsstaged.8",
            "man/man8/ffswebd.8", "man/man8/ffspiped.8", "man/man7/ffs-pipeline.7",
        ]
        for page in wanted { #expect(Self.pages.contains(page), "\(page) is missing") }
    }

    @Test(arguments: pages) func mandocHasNothingToSay(page: String) async throws {
        let result = try await command("mandoc", "-T", "lint", page, directory: Project.root)
        // Of matters of style, all but two: the pages are no operating system's own, and may not be installed here.
        let said = (result.output + result.errorOutput).split(separator: "\n").filter {
            !$0.contains("referenced manual not found") && !$0.contains("operating system explicitly specified")
                && !$0.contains("outdated mandoc.db")
        }
        #expect(said.isEmpty, "\(said.joined(separator: "\n"))")
    }

    @Test(arguments: ["ffsauthd", "ffspiped", "ffsstaged", "ffsftpd", "ffswebd"])
    func daemonsOptionsAreTheirPages(daemon: String) async throws {
        let help = try await command(Project.program(daemon), "--help").succeeded().output
        let offered = Set(
            help.split(separator: "\n").filter { $0.hasPrefix("  -") }.flatMap { line in
                line.split { " ,".contains($0) }.prefix(2).filter { $0.hasPrefix("--") }.map(String.init)
            })
        #expect(offered.isSuperset(of: ["--config", "--set", "--check"]))
        let described = try ManualPage("man/man8/\(daemon).8").options
        #expect(offered.subtracting(described).isEmpty, "not in \(daemon)(8)")
        #expect(described.subtracting(offered).isEmpty, "in \(daemon)(8) alone")
    }

    /// A page that names a key of ffs.yaml names one that there is.
    @Test(arguments: pages) func keysThatPagesNameAreOptions(page: String) async throws {
        let groups = Set(try ManualPage("man/man5/ffs.yaml.5").entries(tag: "Cm").map(\.name))
        let heads = Set(groups.compactMap { $0.split(separator: ".").first })
        for line in try ManualPage(page).lines where line.hasPrefix(".") {
            let words = line.dropFirst().split(separator: " ")
            for (macro, word) in zip(words, words.dropFirst()) where macro == "Cm" {
                let parts = word.split(separator: ".")
                guard parts.count == 2, heads.contains(parts[0]) else { continue }
                #expect(groups.contains(String(word)), "\(page) names \(word)")
            }
        }
    }

    /// ffsctl(8) has an entry `.It Ic <command>` for each command, which names each of its options, and no other.
    @Test func ffsctlsCommandsAreItsPage() async throws {
        let dump = try await command(Project.program("ffsctl"), "--experimental-dump-help").succeeded()
        let tree = try JSONDecoder().decode(HelpDump.self, from: Data(dump.outputBytes)).command
        let page = try ManualPage("man/man8/ffsctl.8")
        let entries = page.entries(tag: "Ic")
        let leaves = tree.leaves(below: [])
        #expect(leaves.count > 10)
        #expect(Set(entries.map(\.name)).subtracting(leaves.keys).isEmpty, "in ffsctl(8) alone")
        let common = Set(["--config", "--set", "--json", "--help", "--version"])
        #expect(common.subtracting(page.options).isEmpty)
        for (name, options) in leaves {
            guard let entry = entries.first(where: { $0.name == name }) else {
                Issue.record("ffsctl(8) has no entry .It Ic \(name)")
                continue
            }
            let described = ManualPage.options(in: entry.text)
            let own = options.subtracting(common)
            #expect(own.subtracting(described).isEmpty, "not in ffsctl(8), \(name)")
            #expect(described.subtracting(own).subtracting(common).isEmpty, "in ffsctl(8) alone, \(name)")
        }
    }
}

/// What `--experimental-dump-help` prints, as far as it is needed.
private struct HelpDump: Decodable {
    struct Command: Decodable {
        struct Argument: Decodable {
            struct Name: Decodable {
                let kind: String
                let name: String
            }
            let names: [Name]?
            let shouldDisplay: Bool
        }
        let commandName: String
        let arguments: [Argument]?
        let subcommands: [Command]?

        /// `customer create` → its long options, for each command that has no commands of its own.
        func leaves(below path: [String]) -> [String: Set<String>] {
            let inner = (subcommands ?? []).filter { $0.commandName != "help" }
            guard inner.isEmpty else {
                return inner.reduce(into: [:]) { found, command in
                    found.merge(command.leaves(below: path + [command.commandName])) { first, _ in first }
                }
            }
            let names = (arguments ?? []).filter(\.shouldDisplay).flatMap { $0.names ?? [] }
            let long = names.filter { $0.kind == "long" }.map { "--" + $0.name }
            return [path.joined(separator: " "): Set(long)]
        }
    }
    let command: Command
}
