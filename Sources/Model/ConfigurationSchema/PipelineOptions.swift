extension Options {
    /// Journals, ffspiped(8), and the log that they become.
    package enum Pipeline {
        package static let user = Option(
            "pipeline.user", "ffspipe", "User that ffspiped runs as when it is started as root.")
        package static let journals = Option(
            "pipeline.journal-directory", "/var/lib/ffs/journal",
            "Directory of the journals: a folder for each process that records events. Put it on a file system that survives a power failure; each daemon writes to its own folders alone."
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

        package static let all: [any AnyOption] = [user, journals, keep, segmentSize, reserve, onFull]
    }

    package enum OnFull: String, OptionChoice { case refuse, serve }
}
