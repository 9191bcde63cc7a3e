package import FFSModel

/// One finished transfer, as the transfer log has it.
package struct TransferRecord: Sendable {
    package enum Service: String, Sendable { case ftp, https }

    package var finished: Timestamp
    /// Whole seconds, at least 1 as in other servers' logs.
    package var seconds: Int
    package var peer: IPAddress
    package var bytes: UInt64
    package var path: [UInt8]
    package var isASCII: Bool
    package var account: [UInt8]
    package var service: Service
    package var isComplete: Bool

    package init(
        finished: Timestamp, seconds: Int, peer: IPAddress, bytes: UInt64, path: [UInt8], isASCII: Bool,
        account: [UInt8], service: Service, isComplete: Bool
    ) {
        self.finished = finished
        self.seconds = seconds
        self.peer = peer
        self.bytes = bytes
        self.path = path
        self.isASCII = isASCII
        self.account = account
        self.service = service
        self.isComplete = isComplete
    }

    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// A line of wu-ftpd's xferlog(5), in UTC: time, seconds, host, bytes, path, a|b, _, o, a, user, service, 0, *, c|i.
    /// Blanks, hidden characters and what is not UTF-8 become `_`, so that the fields stay fields.
    package var xferlogLine: [UInt8] {
        var out = Self.timeField(finished)
        appendFields(to: &out)
        return out
    }

    /// The first field and its blank: the same for all lines of a second.
    package static func timeField(_ time: Timestamp) -> [UInt8] {
        let t = time.utc
        func two(_ n: Int, _ fill: String = "0") -> String { n < 10 ? "\(fill)\(n)" : "\(n)" }
        let day = days[Int((time.seconds / 86_400 % 7 + 7) % 7)]
        let clock = "\(two(t.hour)):\(two(t.minute)):\(two(t.second))"
        return Array("\(day) \(months[t.month - 1]) \(two(t.day, " ")) \(clock) \(t.year) ".utf8)
    }

    private static func field(_ path: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        for scalar in String(decoding: path, as: UTF8.self).unicodeScalars {
            let bytes = UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
            let isPlain = scalar != " " && scalar != "\u{FFFD}" && !isHidden(scalar)
            if isPlain { out += bytes } else { out.append(UInt8(ascii: "_")) }
        }
        return out
    }

    /// The rest of the line.
    package func appendFields(to out: inout [UInt8]) {
        out += "\(seconds) \(peer) \(bytes) ".utf8
        if path.allSatisfy({ (0x21...0x7E).contains($0) }) { out += path } else { out += Self.field(path) }
        out += " \(isASCII ? "a" : "b") _ o r ".utf8
        for byte in account { out.append((0x21...0x7E).contains(byte) ? byte : UInt8(ascii: "_")) }
        out += " \(service.rawValue) 0 * \(isComplete ? "c" : "i")\n".utf8
    }
}
