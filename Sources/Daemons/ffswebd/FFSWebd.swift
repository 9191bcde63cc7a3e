import ArgumentParser
import DaemonKit
import WebFront

/// ffswebd(8).
@main struct FFSWebd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ffswebd", abstract: "Web front of FFS: sign in, choose, get a download account.",
        version: ffsVersion)

    @OptionGroup var options: DaemonOptions

    func run() throws { try runDaemon(WebDaemon.self, options) }
}
