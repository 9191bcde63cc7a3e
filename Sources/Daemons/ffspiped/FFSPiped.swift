import ArgumentParser
import DaemonKit
import PipelineService

@main struct FFSPiped: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ffspiped",
        abstract: "The pipeline of FFS, the Fulfillment Server: brings every event from the journals into the log.",
        version: ffsVersion)

    @OptionGroup var options: DaemonOptions

    func run() throws { try runDaemon(PipelineDaemon.self, options) }
}
