/// A field of an event, by the number that stands before its bytes in a record. Numbers are never used again.
package struct EventField: RawRepresentable, Sendable, Hashable, Comparable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }

    /// 16 bytes: the action that led here, across hosts.
    package static let trace = EventField(rawValue: 1)
    /// The customer's name. Personal: the log keeps a number in its place.
    package static let customer = EventField(rawValue: 2)
    package static let retailer = EventField(rawValue: 3)
    package static let product = EventField(rawValue: 4)
    package static let version = EventField(rawValue: 5)
    /// 32 bytes: SHA-256 of the version's manifest.
    package static let content = EventField(rawValue: 6)
    package static let account = EventField(rawValue: 7)
    /// The order's number.
    package static let order = EventField(rawValue: 8)
    /// Below the account's root, beginning with a slash; bytes that need not be UTF-8.
    package static let path = EventField(rawValue: 9)
    /// 32 bytes: SHA-256 of the file.
    package static let digest = EventField(rawValue: 10)
    /// The first byte of a range.
    package static let from = EventField(rawValue: 11)
    /// The first byte behind it.
    package static let to = EventField(rawValue: 12)
    /// Bytes of the whole file.
    package static let size = EventField(rawValue: 13)
    /// Nanoseconds from the first byte to the last.
    package static let duration = EventField(rawValue: 14)
    /// One word: `ok`, `refused`, `aborted`, or what the type's page says.
    package static let outcome = EventField(rawValue: 15)
    /// Why, in a sentence or a word.
    package static let reason = EventField(rawValue: 16)
    /// Address and port of who was served. Personal.
    package static let peer = EventField(rawValue: 17)
    /// `ftp`, `https`, `web` or `api`.
    package static let service = EventField(rawValue: 18)
    /// Protocol version and cipher; absent in clear.
    package static let tls = EventField(rawValue: 19)
    package static let session = EventField(rawValue: 20)
    /// Who acted, where that is not the customer: `uid 0`, an operator's name. Personal.
    package static let actor = EventField(rawValue: 21)
    /// The host's name, where a host speaks for another.
    package static let host = EventField(rawValue: 22)
    /// How many; what of, the type says.
    package static let count = EventField(rawValue: 23)
    /// Of the change feed: `customer`, `version`, …
    package static let entity = EventField(rawValue: 24)
    /// Seconds since 1970.
    package static let expires = EventField(rawValue: 25)
    /// Words joined by blanks: `ascii`, `deflated`, `resumed`, `metered`.
    package static let flags = EventField(rawValue: 26)
    package static let link = EventField(rawValue: 27)
    package static let detail = EventField(rawValue: 28)
    /// Protection level, 0 to 4.
    package static let level = EventField(rawValue: 29)
    /// `product version`, a line each, where there are several.
    package static let items = EventField(rawValue: 30)
    package static let bytes = EventField(rawValue: 31)
    /// The feed's number.
    package static let change = EventField(rawValue: 32)
    /// A key's name or fingerprint; never a key.
    package static let key = EventField(rawValue: 33)
    /// A token's number; never the token.
    package static let token = EventField(rawValue: 34)
    /// The stream of a journal.
    package static let stream = EventField(rawValue: 35)
    /// Nanoseconds since 1970: where a span of time begins that ends with the event's time.
    package static let begun = EventField(rawValue: 36)
    /// The node that something came from.
    package static let source = EventField(rawValue: 37)

    /// What names or locates a person; the log keeps these apart from the record, where retention can cut them.
    package static let personal: Set<EventField> = [.customer, .peer, .actor]
}
