import ArgumentParser
import AuthService
import DaemonKit

@main struct FFSAuthd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ffsauthd",
        abstract: "The master database of FFS, the Fulfillment Server: signs customers in, authorises their orders.",
        version: ffsVersion)

    @OptionGroup var options: DaemonOptions

    func run() throws { try runDaemon(AuthDaemon.self, options) }
}
