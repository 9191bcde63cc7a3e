package import FFSModel
package import Tobj

/// `ping`: is the daemon there, and which one is it.
package struct Ping: RequestMessage {
    package static var type: RequestType { .ping }

    package struct Reply: ReplyMessage {
        /// The daemon's program name, such as `ffsauthd`.
        package let daemon: String
        package let version: String
        package let time: Timestamp

        package init(daemon: String, version: String, time: Timestamp) {
            self.daemon = daemon
            self.version = version
            self.time = time
        }

        package init(fields: Fields) throws(Failure) {
            daemon = try fields.text("daemon")
            version = try fields.text("version")
            time = try fields.timestamp("time")
        }

        package var body: [Element] {
            [.field("daemon", daemon), .field("version", version), .field("time", time)]
        }
    }

    package init() {}
    package init(fields: Fields) throws(Failure) { try fields.allowOnly([]) }
    package var body: [Element] { [] }
}
