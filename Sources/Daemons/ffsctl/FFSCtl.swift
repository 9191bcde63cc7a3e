import ArgumentParser
import DaemonKit

/// ffsctl(8): one command for all operations.
@main
struct FFSCtl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ffsctl",
        abstract: "Operate FFS, the Fulfillment Server.",
        discussion: """
            Commands speak to the daemons on this machine through their control sockets in run.directory; \
            some work on files alone. Every command takes --config, --set and --json. See ffsctl(8).

            Shell completions: ffsctl --generate-completion-script bash|zsh|fish
            """,
        version: ffsVersion,
        subcommands: [
            StatusCommand.self,
            CheckCommand.self,
            ReloadCommand.self,
            WhyCommand.self,
            SmokeCommand.self,
            ConfigCommand.self,
            KeysCommand.self,
            CustomerCommand.self,
            ProductCommand.self,
            RepositoryCommand.self,
            EntitlementCommand.self,
            OrderCommand.self,
            LogCommand.self,
            LedgerCommand.self, PipelineCommand.self,
            NodeCommand.self,
            ChangesCommand.self,
            AccountCommand.self,
            StagingCommand.self,
            FTPCommand.self,
        ])

    @OptionGroup var global: GlobalOptions

    static func main() async {
        let arguments = hoistingGlobalOptions(Array(CommandLine.arguments.dropFirst()))
        do {
            var command = try parseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch { present(error, json: arguments.contains("--json")) }
    }

    /// Moves options of every command that stand before its name (`ffsctl --json status`) behind it, where the
    /// parser looks for them.
    static func hoistingGlobalOptions(_ arguments: [String]) -> [String] {
        var rest = arguments[...]
        var hoisted: [String] = []
        while let first = rest.first {
            if first == "--json" || first.hasPrefix("--config=") || first.hasPrefix("--set=") {
                hoisted.append(rest.removeFirst())
            } else if first == "--config" || first == "--set", rest.count > 1 {
                hoisted.append(contentsOf: [rest.removeFirst(), rest.removeFirst()])
            } else {
                break
            }
        }
        let split = rest.firstIndex(of: "--") ?? rest.endIndex
        return Array(rest[..<split]) + hoisted + Array(rest[split...])
    }
}
