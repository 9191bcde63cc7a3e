extension Options {
    /// The commlink's key bags and connection rules.
    package enum Keys {
        package static let directory = Option(
            "commlink.keybag-directory", "/etc/ffs/keybag",
            "Directory of the key bags: <link>, <link>.previous and <link>.next (ffs-keybag(5)).")
        package static let portCheck = Option(
            "commlink.port-check", PortCheck.strict,
            "strict: the port a client announces must be the port the server sees. announced: trust the handshake alone; needed behind a NAT that rewrites ports."
        )
        package static let helloTimeout = Option(
            "commlink.hello-timeout", 5, unit: "s", bounds: 1...60,
            "How long a new connection has for its handshake.")
        package static let documentSize = Option(
            "commlink.document-size", 1_048_576, unit: "byte", bounds: 65_536...16_777_216,
            "Largest Tobj document that is accepted.")
        package static let maxConnections = Option(
            "commlink.connections", 1_024, unit: "connections", bounds: 8...65_536,
            "Most commlink connections a server holds at once.")
        package static let reconnectPackets = Option(
            "commlink.reconnect-packets", 1_048_576, unit: "packets", bounds: 16...1_048_576,
            "Packets after which a client reconnects, with a new port and so a new key.")
        package static let reconnectSeconds = Option(
            "commlink.reconnect-time", 3_600, unit: "s", bounds: 1...3_600,
            "Time after which a client reconnects, with a new port and so a new key.")

        package static let all: [any AnyOption] = [
            directory, portCheck, helloTimeout, documentSize, maxConnections, reconnectPackets, reconnectSeconds,
        ]
    }

    package enum PortCheck: String, OptionChoice { case strict, announced }
}
