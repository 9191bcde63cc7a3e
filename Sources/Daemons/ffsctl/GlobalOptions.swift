import ArgumentParser
import DaemonKit

/// Options of every command.
struct GlobalOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Configuration file.", valueName: "file"))
    var config = defaultConfigurationFile

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp("Set an option over file and environment; repeatable.", valueName: "key=value"))
    var settings: [String] = []

    @Flag(help: "Print one JSON value instead of text.")
    var json = false
}

/// A command of ffsctl: declare `@OptionGroup var global: GlobalOptions` and implement `run(_:)`. Errors are
/// thrown as ``Failure``; the frame presents them and chooses the exit status.
protocol OperatorCommand: AsyncParsableCommand {
    var global: GlobalOptions { get }
    func run(_ session: Session) async throws
}

extension OperatorCommand {
    mutating func run() async throws { try await run(try Session(global)) }
}
