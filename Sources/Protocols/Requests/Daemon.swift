package import FFSModel
package import Tobj

/// `daemon.status`: how the daemon does, for `ffsctl status`.
package struct DaemonStatus: RequestMessage {
    package static var type: RequestType { .daemonStatus }

    package struct Reply: ReplyMessage {
        /// The program's name and version.
        package let daemon: String
        package let version: String
        package let pid: Int
        package let started: Timestamp
        /// What the daemon counts: names as in `/metrics`, in the daemon's order.
        package let values: [Value]

        package struct Value: Sendable, Hashable {
            package let name: String
            package let value: Int

            package init(_ name: String, _ value: Int) {
                self.name = name
                self.value = value
            }
        }

        package init(daemon: String, version: String, pid: Int, started: Timestamp, values: [Value]) {
            self.daemon = daemon
            self.version = version
            self.pid = pid
            self.started = started
            self.values = values
        }

        package init(fields: Fields) throws(Failure) {
            daemon = try fields.text("daemon")
            version = try fields.text("version")
            pid = try fields.integer("pid", in: 1...Int.max)
            started = try fields.timestamp("started")
            values = try fields.all("value").map { element throws(Failure) in
                guard let name = element.attribute("name"), let value = Int(element.string) else {
                    throw Failure(.badRequest, "\(fields.context): a <value> has a name and a whole number")
                }
                return Value(String(decoding: name, as: UTF8.self), value)
            }
        }

        package var body: [Element] {
            [
                .field("daemon", daemon), .field("version", version), .field("pid", pid), .field("started", started),
            ]
                + values.map { Element("value", [.init("name", $0.name.utf8)], text: "\($0.value)") }
        }
    }

    package init() {}
    package init(fields: Fields) throws(Failure) { try fields.allowOnly([]) }
    package var body: [Element] { [] }
}

/// `daemon.reload`: reads configuration, keys and certificates again, as SIGHUP does; the reply comes when that is
/// done, or says what was wrong and left as it was.
package struct DaemonReload: RequestMessage {
    package typealias Reply = Done
    package static var type: RequestType { .daemonReload }
    package init() {}
    package init(fields: Fields) throws(Failure) { try fields.allowOnly([]) }
    package var body: [Element] { [] }
}
