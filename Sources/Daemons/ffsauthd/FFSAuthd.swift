import ArgumentParser
import AuthService
import DaemonKit

@main struct FFSAuthd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ffsauthd",
        abstract: "The master database of FFS, the Fulfillment Server: signs customers in, authorises their orders.",
        version: ffsVersion)

    @OptionGroup var options: DaemonOptions

    func run() async throws { try await runDaemon(AuthDaemon.self, options) }
}
