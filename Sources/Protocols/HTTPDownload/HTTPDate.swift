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
        let days = (time.seconds - (time.seconds % 86_400 + 86_400) % 86_400) / 86_400
        let day = Self.days[Int((days % 7 + 7) % 7)]
        // Every answer has two: no interpolation.
        return String(unsafeUninitializedCapacity: 32) { out in
            var count = 0
            func put(_ bytes: some Sequence<UInt8>) {
                for byte in bytes {
                    out[count] = byte
                    count += 1
                }
            }
            func two(_ number: Int) {
                out[count] = UInt8(0x30 + number / 10 % 10)
                out[count + 1] = UInt8(0x30 + number % 10)
                count += 2
            }
            put(day.utf8)
            put(", ".utf8)
            two(t.day)
            put(" ".utf8)
            put(months[t.month - 1].utf8)
            put(" ".utf8)
            two(t.year / 100)
            two(t.year)
            put(" ".utf8)
            two(t.hour)
            put(":".utf8)
            two(t.minute)
            put(":".utf8)
            two(t.second)
            put(" GMT".utf8)
            return count
        }
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
