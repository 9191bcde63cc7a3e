/// All options, a group for each top-level key of ffs.yaml, each in its own file.
package enum Options {
    /// In the order of the sample file and of ffs.yaml(5).
    package static let all: [any AnyOption] =
        Common.all + Keys.all + Auth.all + Staging.all + FTP.all + Web.all + Pipeline.all
}

extension Options {
    /// What every daemon reads.
    package enum Common {
        package static let nodeName = Option(
            "node.name", NodeOption(),
            "The name by which the other hosts know this one (ffsctl node add). Empty: the host's own name up to its first dot. The one option that differs from host to host, so leave it out of a file that all of them share."
        )
        package static let logLevel = Option(
            "log.level", LogLevel.info, "Least severe level that is logged.")
        package static let logFormat = Option(
            "log.format", LogFormat.text,
            "Structured log on standard error: lines for people, or one JSON object a line.")
        package static let logDirectory = Option(
            "log.directory", "/var/log/ffs", "Directory of xferlog.")
        package static let runDirectory = Option(
            "run.directory", "/run/ffs",
            "Directory with a directory for each daemon, which holds its control socket (<daemon>/control.sock) for ffsctl(8)."
        )
        package static let stateDirectory = Option(
            "state.directory", "/var/lib/ffs", "Directory of the databases and of each daemon's own secrets.")
        package static let drainSeconds = Option(
            "drain.timeout", 30, unit: "s", bounds: 0...86_400,
            "After SIGTERM, how long running requests and downloads may go on before they are cut.")
        package static let metricsAddress = Option(
            "metrics.address", "127.0.0.1",
            "Address of the plain-HTTP port with /metrics, /healthz and /readyz. Keep it on loopback or an operators' network."
        )
        package static let metricsBasePort = Option(
            "metrics.base-port", 0, unit: "port", bounds: 0...65_000,
            "First port for /metrics: ffswebd takes it, then ffsauthd +1, ffsstaged +2, ffsftpd +3, ffspiped +4. 0 opens none."
        )

        package static let all: [any AnyOption] = [
            nodeName, logLevel, logFormat, logDirectory, runDirectory, stateDirectory, drainSeconds, metricsAddress,
            metricsBasePort,
        ]
    }

    package enum LogLevel: String, OptionChoice { case trace, debug, info, notice, warning, error }
    package enum LogFormat: String, OptionChoice { case text, json }
}
