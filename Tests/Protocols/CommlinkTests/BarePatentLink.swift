import FFSModel

@testable import Commlink

/// The link as the patent has it, without FFS/2's channel: ASCII packets ending in CR LF, the key at `port mod N` of a
/// shared bag, DES, a filter to 7 bits. An exhibit for ``BarePatentTests`` alone; no program contains it.
struct BarePatentLink {
    private var cipher: DESCipher

    init(bag: KeyBag, port: UInt16) { cipher = DESCipher(bag.entry(forPort: port).key) }

    mutating func seal(_ body: String, iv: UInt64) -> [UInt8] {
        var bytes = Array(body.utf8)
        let padding = DESCipher.sealedCount(bytes.count) - bytes.count
        bytes += [UInt8](repeating: UInt8(padding), count: padding)
        cipher.encrypt(&bytes, 0..<bytes.count, iv: iv)
        let head = (0..<8).map { UInt8(truncatingIfNeeded: iv >> (56 - 8 * UInt64($0))) }
        return Base64.encode(head + bytes) + [0x0D, 0x0A]
    }

    /// nil is what a server says when the padding is wrong: the oracle.
    mutating func open(_ line: [UInt8]) -> String? {
        guard line.suffix(2) == [0x0D, 0x0A], let sealed = Base64.decode(Array(line.dropLast(2))), sealed.count >= 16
        else { return nil }
        let iv = sealed[..<8].reduce(0) { $0 << 8 | UInt64($1) }
        var body = Array(sealed[8...])
        guard let size = cipher.decrypt(&body, 0..<body.count, iv: iv) else { return nil }
        return String(decoding: body[..<size], as: UTF8.self)
    }
}
