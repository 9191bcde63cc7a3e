import ArgumentParser
import ConfigurationSchema
import FFSModel
import StagingService

/// `ffsctl staging`: the account area as a whole.
struct StagingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "staging", abstract: "Look after the account area.", subcommands: [Reconcile.self])

    struct Reconcile: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Compare records and trees, and remove what is neither.",
            discussion: """
                ffsstaged does the same at its start, but does not count every account's files. With --dry-run \
                nothing changes, and ffsstaged may run; without, it must be stopped.
                """)

        @Flag(help: "Only print what would be mended.") var dryRun = false
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            let path = session.configuration[Options.Staging.accounts]
            let findings =
                dryRun ? try Reconciler(path: path).findings() : try Reconciler.mend(path: path)
            session.output.table(
                ["path", "kind", "finding"],
                findings.map { [.text($0.path), .text($0.kind.rawValue), .text($0.text)] },
                empty: "Records and trees agree.")
        }
    }
}
