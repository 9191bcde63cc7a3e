import FFSModel

/// The first byte of a packet's plain text.
enum PacketFlag: UInt8, Sendable {
    /// The document ends with this packet.
    case last = 0
    /// The next packet continues the document.
    case more = 1
    /// No packet follows in this direction; carries no body.
    case close = 2
}

/// Bounds that both ends know (ffs-commlink(7)).
package enum CommlinkLimits {
    /// Bytes of a packet's line, CR LF not counted.
    package static let line = 65_534
    /// Body bytes that a sender puts into one packet: a round number below the 49,119 that a line can hold.
    package static let fragment = 32_000
    /// Packets after which a client reconnects, counted in the busier direction.
    package static let packets = 1 << 20
    /// Packets after which an end gives up on a peer that does not reconnect: room for the replies under way.
    static let packetsHard = UInt64(packets) + 65_536
    /// Packets that a document of `size` bytes takes.
    package static func packets(for size: Int) -> Int { max(1, (size + fragment - 1) / fragment) }
    /// Seconds after which a client reconnects.
    package static let seconds = 3_600
    /// Seconds after which a server closes a connection whose client does not reconnect.
    package static let secondsHard = 4_200
}

/// Both directions of an open connection: Noise transport messages around flag ‖ IV ‖ DES-CBC(body).
struct PacketChannel: Sendable {
    private var noise: NoiseSession
    private var des: DESCipher

    /// flag and IV.
    private static let header = 9

    init(_ noise: NoiseSession, key: DESKey) {
        self.noise = noise
        des = DESCipher(key)
    }

    var handshakeHash: [UInt8] { noise.handshakeHash }
    var sent: UInt64 { noise.sending.counter }
    var received: UInt64 { noise.receiving.counter }

    /// Appends one packet's line, CR LF included, to `out`.
    mutating func seal(
        _ flag: PacketFlag, _ body: ArraySlice<UInt8>, iv: UInt64, into out: inout [UInt8]
    ) throws(WireError) {
        guard sent < CommlinkLimits.packetsHard else { throw .limitReached }
        let size = DESCipher.sealedCount(body.count)
        var plain: [UInt8] = []
        plain.reserveCapacity(Self.header + size)
        plain.append(flag.rawValue)
        for shift in stride(from: 56, through: 0, by: -8) { plain.append(UInt8(truncatingIfNeeded: iv >> shift)) }
        plain.append(contentsOf: body)
        let padding = size - body.count
        for _ in 0..<padding { plain.append(UInt8(padding)) }
        des.encrypt(&plain, Self.header..<plain.count, iv: iv)
        out.append(contentsOf: Base64.encode(try noise.sending.seal(plain)))
        out.append(0x0D)
        out.append(0x0A)
    }

    /// The flag and body of one packet's line.
    mutating func open(_ line: ArraySlice<UInt8>) throws(WireError) -> (flag: PacketFlag, body: ArraySlice<UInt8>) {
        guard received < CommlinkLimits.packetsHard else { throw .limitReached }
        guard let sealed = Base64.decode(Array(line)) else { throw .notBase64 }
        var plain = try noise.receiving.open(sealed)
        guard plain.count >= Self.header + DESCipher.blockSize else { throw .shortPacket }
        guard let flag = PacketFlag(rawValue: plain[0]) else { throw .unknownFlag(plain[0]) }
        let iv = plain[1..<Self.header].reduce(0) { $0 << 8 | UInt64($1) }
        guard let size = des.decrypt(&plain, Self.header..<plain.count, iv: iv) else { throw .badPadding }
        return (flag, plain[Self.header..<(Self.header + size)])
    }
}
