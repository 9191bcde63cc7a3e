/// Why a connection is closed. Nothing of it goes to the peer: the server's log gets it with the peer's address.
package enum WireError: Error, Sendable, Hashable {
    // Framing.
    case bareCarriageReturn
    case bareLineFeed
    case eightBit
    case lineTooLong(limit: Int)
    // Hello.
    case malformedHello
    case unknownBag(BagID)
    case portMismatch(announced: UInt16, seen: UInt16)
    case wrongIndex
    case authenticationFailed
    // Packets.
    case notBase64
    case shortPacket
    case unknownFlag(UInt8)
    case badPadding
    case documentTooLarge(limit: Int)
    case limitReached
    /// Bytes after the peer's `close`, or a `close` inside a document.
    case afterClose
    /// End of stream without `close`.
    case truncated
    /// The hello or the next line took too long.
    case timeout

    /// Refusals of the handshake that a peer must not be able to tell apart, by text or by time.
    package var isHandshakeRefusal: Bool {
        switch self {
        case .unknownBag, .portMismatch, .wrongIndex, .authenticationFailed: true
        default: false
        }
    }

    /// A word for counters, `ffs_commlink_refused_total{reason="…"}`.
    package var label: String {
        switch self {
        case .bareCarriageReturn: "bare-cr"
        case .bareLineFeed: "bare-lf"
        case .eightBit: "eight-bit"
        case .lineTooLong: "line-too-long"
        case .malformedHello: "malformed-hello"
        case .unknownBag: "unknown-bag"
        case .portMismatch: "port-mismatch"
        case .wrongIndex: "wrong-index"
        case .authenticationFailed: "authentication"
        case .notBase64: "not-base64"
        case .shortPacket: "short-packet"
        case .unknownFlag: "unknown-flag"
        case .badPadding: "padding"
        case .documentTooLarge: "document-too-large"
        case .limitReached: "limit"
        case .afterClose: "after-close"
        case .truncated: "truncated"
        case .timeout: "timeout"
        }
    }
}

extension WireError: CustomStringConvertible {
    /// For the log; says what to do where an operator can do something.
    package var description: String {
        switch self {
        case .bareCarriageReturn: "a CR without LF"
        case .bareLineFeed: "an LF without CR"
        case .eightBit: "a byte above 127"
        case .lineTooLong(let limit): "a line of more than \(limit) bytes"
        case .malformedHello: "a first line that is not an FFS2 hello"
        case .unknownBag(let id):
            "key bag \(id) is not known here; copy the peer's bag, or stage and activate the same one (ffsctl keys)"
        case .portMismatch(let announced, let seen):
            "the peer announced port \(announced) but comes from port \(seen): a NAT rewrites ports between the hosts; "
                + "remove it, or set commlink.port-check to announced"
        case .wrongIndex: "the key index is not the announced port modulo the number of keys"
        case .authenticationFailed:
            "a message that does not verify: the key bags differ under one id, or someone altered the connection"
        case .notBase64: "a line that is not canonical base64"
        case .shortPacket: "a packet too short for its flag, IV and one block"
        case .unknownFlag(let flag): "a packet with flag \(flag), which FFS/2 does not have"
        case .badPadding: "a packet whose DES padding is wrong"
        case .documentTooLarge(let limit): "a document of more than \(limit) bytes (commlink.document-size)"
        case .limitReached: "more packets than one connection may carry"
        case .afterClose: "a packet after close, or a close inside a document"
        case .truncated: "the stream ended without a close packet"
        case .timeout: "no complete line within its time"
        }
    }
}
