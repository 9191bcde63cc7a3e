package import FFSModel

/// IMF-fixdate, RFC 9110 §5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
package enum HTTPDate {
    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// The time in this form.
    package static func format(_ time: Timestamp) -> String {
        let t = time.utc
        func two(_ n: Int) -> String { n < 10 ? "0\(n)" : "\(n)" }
        let days = (time.seconds - (time.seconds % 86_400 + 86_400) % 86_400) / 86_400
        let day = Self.days[Int((days % 7 + 7) % 7)]
        return
            "\(day), \(two(t.day)) \(months[t.month - 1]) \(t.year) \(two(t.hour)):\(two(t.minute)):\(two(t.second)) GMT"
    }

    /// nil for anything but the preferred form: a recipient may ignore what it does not understand in a condition.
    package static func parse(_ text: [UInt8]) -> Timestamp? {
        guard text.count == 29, text[3...4].elementsEqual(", ".utf8), text[25...].elementsEqual(" GMT".utf8) else {
            return nil
        }
        let name = String(decoding: text[8...10], as: UTF8.self)
        guard let month = months.firstIndex(of: name) else { return nil }
        let number = month + 1 < 10 ? "0\(month + 1)" : "\(month + 1)"
        let day = String(decoding: text[5...6], as: UTF8.self)
        let year = String(decoding: text[12...15], as: UTF8.self)
        let clock = String(decoding: text[17...24], as: UTF8.self)
        return Timestamp("\(year)-\(number)-\(day)T\(clock)Z")
    }
}
