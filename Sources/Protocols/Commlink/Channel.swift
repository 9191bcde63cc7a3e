/// What an open connection carries once the hellos are done, the same for both ends: documents cut into packets,
/// packets joined to documents, and `close` each way.
struct Channel: Sendable {
    private var packets: PacketChannel
    private var joined: [UInt8] = []
    private let documentLimit: Int
    private var sentClose = false
    private(set) var receivedClose = false
    /// Whether a `more` packet waits for its successor.
    private(set) var isInsideDocument = false

    enum Event: Sendable {
        case document([UInt8])
        case closed
    }

    init(_ packets: PacketChannel, documentLimit: Int) {
        self.packets = packets
        self.documentLimit = documentLimit
    }

    var handshakeHash: [UInt8] { packets.handshakeHash }

    /// Packets in the busier direction.
    var packetCount: UInt64 { max(packets.sent, packets.received) }

    var packetsReceived: UInt64 { packets.received }

    /// Appends the packets of `document` to `out`.
    mutating func send(
        _ document: [UInt8], random: inout some RandomNumberGenerator, into out: inout [UInt8]
    ) throws(WireError) {
        guard document.count <= documentLimit else { throw .documentTooLarge(limit: documentLimit) }
        guard !sentClose else { throw .afterClose }
        var rest = document[...]
        while rest.count > CommlinkLimits.fragment {
            try packets.seal(.more, rest.prefix(CommlinkLimits.fragment), iv: random.next(), into: &out)
            rest = rest.dropFirst(CommlinkLimits.fragment)
        }
        try packets.seal(.last, rest, iv: random.next(), into: &out)
    }

    /// Appends `close`, once.
    mutating func sendClose(random: inout some RandomNumberGenerator, into out: inout [UInt8]) throws(WireError) {
        guard !sentClose else { return }
        sentClose = true
        try packets.seal(.close, [], iv: random.next(), into: &out)
    }

    /// nil while a document is unfinished.
    mutating func receive(_ line: ArraySlice<UInt8>) throws(WireError) -> Event? {
        guard !receivedClose else { throw .afterClose }
        let (flag, body) = try packets.open(line)
        switch flag {
        case .close:
            guard !isInsideDocument, body.isEmpty else { throw .afterClose }
            receivedClose = true
            return .closed
        case .more:
            try join(body)
            isInsideDocument = true
            return nil
        case .last:
            guard isInsideDocument else {
                guard body.count <= documentLimit else { throw .documentTooLarge(limit: documentLimit) }
                return .document(Array(body))
            }
            try join(body)
            isInsideDocument = false
            let document = joined
            joined = []
            return .document(document)
        }
    }

    private mutating func join(_ body: ArraySlice<UInt8>) throws(WireError) {
        guard joined.count + body.count <= documentLimit else { throw .documentTooLarge(limit: documentLimit) }
        joined.append(contentsOf: body)
    }
}
