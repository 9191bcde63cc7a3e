import COpenSSL
import SystemSupport

/// A key under which session tickets are written: who has it can read what was recorded of the sessions they resume.
package struct TicketKey: Sendable, Hashable {
    fileprivate let name: [UInt8]
    fileprivate let macKey: [UInt8]
    fileprivate let cipherKey: [UInt8]

    /// Bytes of one: a name of 16, a key for HMAC-SHA-256, one for AES-256.
    package static let size = 80

    /// nil unless there are ``size`` bytes.
    package init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == Self.size else { return nil }
        name = Array(bytes.prefix(16))
        macKey = Array(bytes.dropFirst(16).prefix(32))
        cipherKey = Array(bytes.suffix(32))
    }

    package static func random() -> TicketKey {
        let bytes = randomBytes(48 + 32)
        return TicketKey(name: bytes[..<16], macKey: bytes[16..<48], cipherKey: bytes[48...])
    }

    private init(name: ArraySlice<UInt8>, macKey: ArraySlice<UInt8>, cipherKey: ArraySlice<UInt8>) {
        (self.name, self.macKey, self.cipherKey) = (Array(name), Array(macKey), Array(cipherKey))
    }

    package var bytes: [UInt8] { name + macKey + cipherKey }
}

/// The ticket keys of a server that turns them over, the newest first: a key writes for half of the time for which a
/// session can be resumed, then only reads until the last of its tickets has ended, and is forgotten.
package struct TicketKeys: Sendable, Hashable {
    package private(set) var keys: [TicketKey]

    /// Seconds for which a key writes.
    package static let turn = TLSContext.resumable / 2
    private static let kept = 1 + TLSContext.resumable / turn

    package init() { keys = [.random()] }

    /// To be called every ``turn`` seconds.
    package mutating func turnOver() { keys = Array(([.random()] + keys).prefix(Self.kept)) }
}

/// OpenSSL asks for the key to write a ticket with, or by its name for the one that a ticket was written with; 2 for one that
/// is to be written anew, 0 for one that nobody has any more.
let chooseTicketKey:
    @convention(c) (
        OpaquePointer?, UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<UInt8>?, OpaquePointer?, OpaquePointer?,
        Int32
    ) -> Int32 = { ssl, name, iv, cipher, mac, writing in
        guard let ssl, let name, let data = ffs_ssl_data(ssl) else { return -1 }
        let keys = Unmanaged<TLSConnection>.fromOpaque(data).takeUnretainedValue().context.ticketKeys
        let wanted = UnsafeMutableBufferPointer(start: name, count: 16)
        guard let position = writing == 1 ? 0 : keys.firstIndex(where: { wanted.elementsEqual($0.name) }) else {
            return 0
        }
        let key = keys[position]
        if writing == 1 { _ = wanted.update(from: key.name) }
        guard ffs_ticket_key(cipher, mac, key.macKey, key.cipherKey, iv, writing) == 1 else { return -1 }
        return position == 0 ? 1 : 2
    }
