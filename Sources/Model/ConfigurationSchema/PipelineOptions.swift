extension Options {
    /// Journals, ffspiped(8), and the log that they become.
    package enum Pipeline {
        package static let user = Option(
            "pipeline.user", "ffspipe", "User that ffspiped runs as when it is started as root.")
        package static let address = Option(
            "pipeline.address", "127.0.0.1",
            "Address ffspiped listens on where it keeps the log, and the relay connects to.")
        package static let basePort = Option(
            "pipeline.base-port", 7670, unit: "port", bounds: 1...65_000, "First port of that commlink range.")
        package static let portCount = Option(
            "pipeline.port-count", 8, unit: "ports", bounds: 1...64, "Ports in the range.")
        package static let relayHost = Option(
            "pipeline.relay-host", "",
            "Host of the ffswebd that relays events to the log (web.relay-address, web.relay-base-port), for hosts that do not keep it. Empty: ftp.relay-host, and on a web host web.relay-address; where they are empty too, events stay in the journals."
        )
        package static let keys = Option(
            "pipeline.key-directory", "/etc/ffs/pipeline",
            "Directory of the keys that nodes share with the internal host, a file for each node.")
        package static let journals = Option(
            "pipeline.journal-directory", "/var/lib/ffs/journal",
            "Directory of the journals: a folder for each process that records events. Put it on a file system that survives a power failure; each daemon writes to its own folders alone. Empty: ffsftpd records nothing."
        )
        package static let keep = Option(
            "pipeline.keep", 86_400, unit: "s", bounds: 0...31_536_000,
            "How long a segment of a journal is kept at least, also when all of it has arrived in the log: enough to fill a log that was restored from its last backup."
        )
        package static let segmentSize = Option(
            "pipeline.segment-size", 16_384, unit: "KiB", bounds: 64...1_048_576,
            "Size after which a journal goes on in a new segment.")
        package static let reserve = Option(
            "pipeline.reserve", 4_096, unit: "KiB", bounds: 64...1_048_576,
            "Space behind each segment for what is under way when no new segment can be made: a record for each running transfer. pipeline.on-full decides before it is touched."
        )
        package static let onFull = Option(
            "pipeline.on-full", OnFull.refuse,
            "What happens when events cannot be recorded, as on a full disk. refuse: new sign-ins, orders and accounts are refused with the reason. serve: they go on, and how many events are missing is recorded as soon as there is room."
        )

        package static let log = Option(
            "pipeline.log-database", "pipe/log.sqlite",
            "The log database on the internal host: a SQLite file, relative to state.directory unless absolute. Its directory must be pipeline.user's alone and also holds the log's key; ffspiped makes all of them."
        )
        package static let retention = Option(
            "pipeline.log-retention", 0, unit: "days", bounds: 0...36_500,
            "How long the log keeps records and the names in them; then only what the tree needs and the columns stay. 0 keeps them for ever."
        )
        package static let serviceFee = Option(
            "pipeline.service-fee", 0, unit: "hundredths", bounds: 0...100_000_000,
            "What a delivery costs, to the operator: charged once for each item of an order of which anything was downloaded."
        )
        package static let contentFee = Option(
            "pipeline.content-fee", 0, unit: "hundredths", bounds: 0...100_000_000,
            "What a completed delivery costs, to the owner of the content: charged once for each item of an order that was downloaded whole."
        )

        package static let all: [any AnyOption] = [
            user, address, basePort, portCount, relayHost, keys, journals, keep, segmentSize, reserve, onFull,
            log, retention, serviceFee, contentFee,
        ]
    }

    package enum OnFull: String, OptionChoice { case refuse, serve }
}
