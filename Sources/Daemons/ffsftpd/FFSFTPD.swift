import ArgumentParser
import DaemonKit
import FTPService

@main struct FFSFTPD: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ffsftpd",
        abstract: "FTP, FTPS and HTTPS downloads of FFS, the Fulfillment Server: serves accounts, read-only.",
        version: ffsVersion)

    @OptionGroup var options: DaemonOptions

    /// A worker, or the gate, is this same program with a first word that only the supervisor gives. It must confine itself while it
    /// has one thread, so nothing else may run before.
    static func main() {
        let words = Array(CommandLine.arguments.dropFirst())
        if words.first == "worker" { WorkerProcess.run(words) }
        if words.first == "gate" { GateProcess.run(words) }
        main(nil)
    }

    func run() throws { try runDaemon(FTPDaemon.self, options) }
}
