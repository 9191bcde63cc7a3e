import ArgumentParser
import DaemonKit
import WebFront

/// ffswebd(8).
@main struct FFSWebd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ffswebd", abstract: "Web front of FFS: sign in, choose, get a download account.",
        version: ffsVersion)

    @OptionGroup var options: DaemonOptions

    func run() async throws { try await runDaemon(WebDaemon.self, options) }
}
