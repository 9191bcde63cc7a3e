import ArgumentParser
import ConfigurationSchema
import DaemonKit

struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Show the configuration.", subcommands: [Show.self, Sample.self])

    struct Show: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print every option with its value in force and where that comes from.")
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            guard session.output.json else { return session.output.verbatim(session.configuration.yaml()) }
            session.output.table(
                [
                    "option", "value", "source", "default", "type", "unit", "minimum", "maximum", "variable", "summary",
                ],
                session.configuration.settings.map { option, text, source in
                    [
                        .text(option.key), .text(text), .name(source), .text(option.defaultText),
                        .text(option.typeName), Value(option.unit, Value.text),
                        Value(option.bounds?.lowerBound, Value.number), Value(option.bounds?.upperBound, Value.number),
                        .text(option.environmentName), .text(option.summary),
                    ]
                })
        }
    }

    struct Sample: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print a sample ffs.yaml with every option at its default, commented out.")
        @OptionGroup var global: GlobalOptions

        func run(_ session: Session) async throws {
            session.output.verbatim(
                """
                # FFS, the Fulfillment Server: configuration of every daemon and of ffsctl(8).
                # Every host may hold the same file. Lines below show the defaults; remove the # in front of a key
                # to change its value. Command line and FFS_... variables go over this file. See ffs.yaml(5).


                """ + Configuration().yaml(commented: true))
        }
    }
}
