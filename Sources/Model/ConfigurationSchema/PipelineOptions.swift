extension Options {
    /// Journals, ffspiped(8), and the log that they become.
    package enum Pipeline {
        package static let user = Option(
            "pipeline.user", "ffspipe", "User that ffspiped runs as when it is started as root.")
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
            user, journals, keep, segmentSize, reserve, onFull, log, retention, serviceFee, contentFee,
        ]
    }

    package enum OnFull: String, OptionChoice { case refuse, serve }
}
