import Crypto
package import FFSModel

/// What opens an account for a while without its password: pages put it into the addresses of files. Format 1,
/// docs/formats.md.
///
///     6920b3a0-1d5f…   seconds since 1970 in hexadecimal, and 40 hexadecimal digits of a code over account and time
///
/// The code's key comes from the account's record, so whoever reads the record can make and check links, and no server
/// of accounts needs a secret or a database for them.
package struct AccountLink: Sendable, Hashable {
    /// Not after the account's own end, and worthless from this second on.
    package let expires: Timestamp
    /// HMAC-SHA-256, cut to 160 bits.
    fileprivate let code: [UInt8]
    fileprivate static let codeBytes = 20

    fileprivate init(expires: Timestamp, code: [UInt8]) {
        self.expires = expires
        self.code = code
    }

    /// nil for anything that ``text`` would not be.
    package init?(text: [UInt8]) {
        let parts = text.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard parts.count == 2, (1...12).contains(parts[0].count), parts[0].first != UInt8(ascii: "0"),
            let seconds = Int64(String(decoding: parts[0], as: UTF8.self), radix: 16),
            parts[0].elementsEqual(String(seconds, radix: 16).utf8), let code = Hex.decode(Array(parts[1])),
            code.count == Self.codeBytes
        else { return nil }
        self.init(expires: Timestamp(seconds: seconds), code: code)
    }

    package var text: String { "\(String(expires.seconds, radix: 16))-\(Hex.string(code))" }
}

extension AccountRecord {
    /// A link that opens this account until `expires`, or until the account ends if that is sooner.
    package func link(until expires: Timestamp) -> AccountLink {
        let end = min(expires, self.expires)
        return AccountLink(expires: end, code: linkCode(end))
    }

    /// Whether `link` opens this account at `time`. Takes the same time for every wrong code.
    package func admits(link: AccountLink, at time: Timestamp) -> Bool {
        let difference = zip(link.code, linkCode(link.expires)).reduce(0 as UInt8) { $0 | ($1.0 ^ $1.1) }
        return difference == 0 && time < link.expires && isLive(at: time)
    }

    private func linkCode(_ expires: Timestamp) -> [UInt8] {
        let text = "ffs link 1\n\(account)\n\(expires.seconds)\n"
        let key = SymmetricKey(data: Array(passwordDigest.bytes))
        return Array(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key).prefix(AccountLink.codeBytes))
    }
}
