import FFSModel

/// Numbers, sizes and times for people. Pages are in English and in UTC; the script adds the reader's own time.
enum Format {
    /// `4.2 GiB`; bytes below 1 KiB as they are.
    static func size(_ bytes: Int) -> String {
        let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        guard bytes >= 1_024 else { return bytes == 1 ? "1 byte" : "\(bytes) bytes" }
        var value = Double(bytes) / 1_024
        var unit = 0
        while value >= 1_023.95, unit + 1 < units.count {
            value /= 1_024
            unit += 1
        }
        let tenths = Int((value * 10).rounded())
        let text = tenths >= 1_000 || tenths % 10 == 0 ? "\((tenths + 5) / 10)" : "\(tenths / 10).\(tenths % 10)"
        return "\(text) \(units[unit])"
    }

    /// `2,000`.
    static func number(_ value: Int) -> String {
        var groups: [String] = []
        var rest = value.magnitude
        while rest >= 1_000 {
            let group = "\(rest % 1_000)"
            groups.append(String(repeating: "0", count: 3 - group.count) + group)
            rest /= 1_000
        }
        groups.append("\(rest)")
        return (value < 0 ? "-" : "") + groups.reversed().joined(separator: ",")
    }

    /// `1 file`, `2,000 files`.
    static func count(_ value: Int, _ noun: String) -> String { "\(number(value)) \(noun)\(value == 1 ? "" : "s")" }

    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    /// `21 Nov 2026`.
    static func date(_ time: Timestamp) -> String {
        let t = time.utc
        return "\(t.day) \(months[t.month - 1]) \(t.year)"
    }

    /// `21 Nov 2026, 14:05 UTC`.
    static func moment(_ time: Timestamp) -> String {
        let t = time.utc
        return "\(date(time)), \(two(t.hour)):\(two(t.minute)) UTC"
    }

    /// The two largest parts: `6 days 4 h`, `23 h 59 min`, `45 s`.
    static func duration(_ seconds: Int64) -> String {
        let s = max(0, Int(seconds))
        let parts = [(s / 86_400, "day"), (s / 3_600 % 24, "h"), (s / 60 % 60, "min"), (s % 60, "s")]
        guard let first = parts.firstIndex(where: { $0.0 > 0 }) else { return "0 s" }
        return parts[first...].prefix(2).filter { $0.0 > 0 }.map { value, unit in
            unit == "day" ? count(value, "day") : "\(value) \(unit)"
        }.joined(separator: " ")
    }
}
