import ArgumentParser
import DaemonKit
import StagingService

@main struct FFSStaged: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ffsstaged",
        abstract: "The storage host of FFS, the Fulfillment Server: keeps the repository, builds customers' accounts.",
        version: ffsVersion)

    @OptionGroup var options: DaemonOptions

    func run() throws { try runDaemon(StagingDaemon.self, options) }
}
