import FFSModel
import Logging

/// How many lines that a stranger can cause are written: of each kind from each source `lines` in a window, the rest
/// are counted, and their number is told once the window is over and something else is logged.
///
/// What has no source (``Logger`` metadata `peer` or `source`) is of the daemon's own making and is always written.
struct LogLimiter {
    /// Lines of a kind from a source within a window.
    static let lines = 20
    /// Nanoseconds.
    static let window: Int64 = 10_000_000_000
    /// Kinds and sources counted apart; those beyond are counted together, as many again kind by kind.
    static let pairs = 1_024

    struct Summary: Equatable {
        let kind: String
        let source: String
        /// Lines left out.
        let count: Int
    }

    private struct Key: Hashable {
        let kind: String
        let source: String
    }

    private struct Count {
        let began: Int64
        var seen: Int
    }

    private var counts: [Key: Count] = [:]
    /// When ``due(now:)`` looks again.
    private var nextLook: Int64 = 0

    /// Whether the line is to be written. `now`: nanoseconds on a monotonic clock.
    mutating func admits(_ message: String, _ metadata: Logger.Metadata, now: Int64) -> Bool {
        guard let peer = metadata["peer"] ?? metadata["source"] ?? metadata["proxy"] else { return true }
        // Which limit, code or reason it was: words of our own, few of them.
        let detail = (metadata["limit"] ?? metadata["code"] ?? metadata["why"]).map { " (\($0))" } ?? ""
        var key = Key(kind: message + detail, source: Self.source("\(peer)"))
        if counts[key] == nil, counts.count >= Self.pairs { key = Key(kind: key.kind, source: "others") }
        if counts[key] == nil, counts.count >= 2 * Self.pairs { key = Key(kind: "others", source: "others") }
        var count = counts[key] ?? Count(began: now, seen: 0)
        // due(now:) tells of a window that is over; until then its lines stay counted.
        if now - count.began >= Self.window, count.seen <= Self.lines { count = Count(began: now, seen: 0) }
        count.seen += 1
        counts[key] = count
        return count.seen <= Self.lines
    }

    /// What was left out in windows that are over; each is told once.
    mutating func due(now: Int64) -> [Summary] {
        guard now >= nextLook else { return [] }
        nextLook = now + 1_000_000_000
        let over = counts.filter { now - $0.value.began >= Self.window }
        for key in over.keys { counts[key] = nil }
        return over.filter { $0.value.seen > Self.lines }
            .map { Summary(kind: $0.key.kind, source: $0.key.source, count: $0.value.seen - Self.lines) }
            .sorted { ($0.kind, $0.source) < ($1.kind, $1.source) }
    }

    /// Who counts as one: an address, of IPv6 its /64.
    private static func source(_ peer: String) -> String {
        let host = withoutPort(peer)
        let bare = Array(host.utf8.filter { $0 != UInt8(ascii: "[") && $0 != UInt8(ascii: "]") })
        return IPAddress(text: bare)?.source.description ?? host
    }

    /// `192.0.2.1:5000` and `[2001:db8::1]:5000` without the port: each connection has another.
    private static func withoutPort(_ peer: String) -> String {
        let bytes = Array(peer.utf8)
        guard let colon = bytes.lastIndex(of: UInt8(ascii: ":")),
            bytes[(colon + 1)...].allSatisfy({ (0x30...0x39).contains($0) }),
            bytes[..<colon].last == UInt8(ascii: "]") || !bytes[..<colon].contains(UInt8(ascii: ":"))
        else { return peer }
        return String(decoding: bytes[..<colon], as: UTF8.self)
    }
}
