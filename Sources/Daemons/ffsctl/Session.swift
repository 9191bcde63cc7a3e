import CommlinkTransport
import ConfigurationSchema
import DaemonKit
import FFSModel
import FoundationEssentials
import Requests
import SystemSupport

/// What a command works with: the configuration in force, the output, the daemons.
struct Session: Sendable {
    let configuration: Configuration
    let output: Output

    init(_ global: GlobalOptions) throws {
        output = Output(json: global.json)
        configuration = try ConfigurationLoader.load(
            file: global.config, settings: global.settings, environment: ProcessInfo.processInfo.environment,
            read: readConfigurationFile)
    }

    /// A daemon on this machine, over its control socket. Nothing is sent yet.
    func daemon(_ name: DaemonName) -> ControlClient {
        let user =
            switch name {
            case .ffsauthd: Options.Auth.user
            case .ffspiped: Options.Pipeline.user
            case .ffsstaged: Options.Staging.user
            case .ffsftpd: Options.FTP.user
            case .ffswebd: Options.Web.user
            }
        return ControlClient(
            path: configuration[Options.Common.runDirectory] + "/\(name.rawValue)/control.sock",
            server: configuration[user])
    }

    /// A secret for a command: typed unseen on a terminal, else the first line of standard input.
    func readSecret(_ prompt: String) throws(Failure) -> [UInt8] {
        guard let line = Terminal.readLine(prompt: prompt, echo: false), !line.isEmpty else {
            throw Failure(.badRequest, "no password was given: type it, or send it as the first line of standard input")
        }
        return line
    }
}
