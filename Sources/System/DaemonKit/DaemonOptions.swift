package import ArgumentParser

/// Read when `--config` names no other; may be missing.
package let defaultConfigurationFile = "/etc/ffs/ffs.yaml"

/// What every daemon's command line takes. Documented in each daemon's man page, which is checked against `--help`.
package struct DaemonOptions: ParsableArguments {
    @Option(name: .long, help: ArgumentHelp("Configuration file.", valueName: "file"))
    package var config = defaultConfigurationFile

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp("Set an option over file and environment; repeatable.", valueName: "key=value"))
    package var settings: [String] = []

    @Flag(
        name: .long,
        help: "Check configuration, keys, modes and file systems, say what to do about each fault, and exit.")
    package var check = false

    @Flag(
        name: .customLong("print-config"), help: "Print every option with its value in force and its source, and exit.")
    package var printConfig = false

    @Flag(name: .customLong("allow-test-keys"), help: "Accept key bags whose id marks them as for tests only.")
    package var allowTestKeys = false

    package init() {}
}
