import Crypto
package import FFSModel

extension RequestID {
    /// 128 bits of SHA-256 over `parts`: the same wish has the same request id on every host and after a restart, so
    /// whoever repeats it is answered as before. Put the customer's name in, so that nobody can name another's.
    package static func derived(from parts: [String]) -> RequestID {
        var digest = SHA256()
        for part in parts { digest.update(data: Array("\(part.utf8.count):\(part)".utf8)) }
        let bytes = Array(digest.finalize())
        func word(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
        return RequestID(high: word(bytes[0..<8]), low: word(bytes[8..<16]))
    }
}
