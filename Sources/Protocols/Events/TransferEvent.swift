package import FFSModel

/// One transfer, finished or under way: what the transfer log, the structured log and the pipeline are told, alike to the
/// byte.
package struct TransferEvent: Sendable {
    package enum Service: String, Sendable { case ftp, https }

    /// The connection's protection; nil in clear.
    package struct TLS: Sendable {
        /// `TLSv1.3 TLS_AES_128_GCM_SHA256`
        package let protection: String
        package let isResumed: Bool

        package init(protection: String, isResumed: Bool) {
            self.protection = protection
            self.isResumed = isResumed
        }
    }

    package var finished: Timestamp
    /// From the first byte to the last.
    package var nanoseconds: Int64
    package var service: Service
    package var session: String
    package var peer: Endpoint
    /// Whose content it was.
    package var account: String
    /// Below the account's root, beginning with a slash.
    package var path: [UInt8]
    /// The first byte of the file that was sent, and how many were.
    package var offset: UInt64
    package var bytes: UInt64
    /// The first byte of the file behind what was sent; nil: ``offset`` and ``bytes`` tell. Needed where what went over the
    /// wire are not the file's own bytes.
    package var to: UInt64?
    /// Bytes of the whole file.
    package var size: UInt64?
    package var isComplete: Bool
    /// Why it is not complete, where that is known.
    package var end: String?
    package var isASCII = false
    package var isDeflated = false
    package var tls: TLS?
    package var digest: ContentDigest?

    package init(
        finished: Timestamp, nanoseconds: Int64, service: Service, session: String, peer: Endpoint, account: String,
        path: [UInt8], offset: UInt64, bytes: UInt64, isComplete: Bool, end: String? = nil,
        isASCII: Bool = false,
        isDeflated: Bool = false, tls: TLS? = nil, digest: ContentDigest? = nil
    ) {
        self.finished = finished
        self.nanoseconds = nanoseconds
        self.service = service
        self.session = session
        self.peer = peer
        self.account = account
        self.path = path
        self.offset = offset
        self.bytes = bytes
        self.isComplete = isComplete
        self.end = end
        self.isASCII = isASCII
        self.isDeflated = isDeflated
        self.tls = tls
        self.digest = digest
    }

    // MARK: Structured log

    /// Names and values of the structured log, in the order of the names: no dictionary to be made and sorted.
    package func forEachField(_ body: (String, String) -> Void) {
        if !account.isEmpty { body("account", account) }
        body("bytes", String(bytes))
        body("complete", isComplete ? "true" : "false")
        if let end { body("end", end) }
        body("milliseconds", String(nanoseconds / 1_000_000))
        if isDeflated { body("mode", "Z") }
        body("offset", String(offset))
        body("path", printable(path))
        body("peer", peer.description)
        if let tls { body("reused", tls.isResumed ? "true" : "false") }
        body("service", service.rawValue)
        body("session", session)
        if let digest { body("sha256", digest.description) }
        if let tls { body("tls", tls.protection) }
    }

    // MARK: xferlog

    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// A line of wu-ftpd's xferlog(5), in UTC: time, seconds, host, bytes, path, a|b, _, o, a, user, service, 0, *, c|i.
    /// Blanks, hidden characters and what is not UTF-8 become `_`, so that the fields stay fields.
    package var xferlogLine: [UInt8] {
        var out = Self.timeField(finished)
        appendXferlogFields(to: &out)
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

    /// The rest of the line. Seconds are whole and at least 1, as in other servers' logs.
    package func appendXferlogFields(to out: inout [UInt8]) {
        let seconds = max(1, (nanoseconds + 500_000_000) / 1_000_000_000)
        for text in [String(seconds), peer.address.description, String(bytes)] {
            out += text.utf8
            out.append(0x20)
        }
        if path.allSatisfy({ (0x21...0x7E).contains($0) }) { out += path } else { out += Self.field(path) }
        out += isASCII ? " a _ o r ".utf8 : " b _ o r ".utf8
        for byte in account.utf8 { out.append((0x21...0x7E).contains(byte) ? byte : UInt8(ascii: "_")) }
        out.append(0x20)
        out += service.rawValue.utf8
        out += isComplete ? " 0 * c\n".utf8 : " 0 * i\n".utf8
    }
}
