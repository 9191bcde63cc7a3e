/// The connecting end of one FFS/2 connection: bytes in, events out; it does no I/O and knows no clock.
///
///     greeting ──server's hello──▶ open ──close, end of stream──▶ closed
///
/// Any error ends the connection: the caller closes the socket and fails what is pending.
package struct ClientConnection: Sendable {
    private enum State: Sendable {
        case greeting(NoiseInitiator)
        case open(Channel)
        case closed
    }

    package enum Event: Sendable, Equatable {
        /// The server proved that it holds the key; documents may be sent.
        case opened
        case document([UInt8])
        /// The server will send no more. Whatever has no reply yet gets none.
        case closed
    }

    private var state: State
    private var framer = LineFramer()
    private let bag: BagID
    private let key: DESKey
    private let documentLimit: Int

    /// The connection, and the hello to send. `localPort` is the connection's own port P as the peer will see it;
    /// it picks the key, so the socket must be bound before this is called.
    package static func start(
        bag: KeyBag, localPort: UInt16, documentLimit: Int, random: inout some RandomNumberGenerator
    ) throws(WireError) -> (connection: ClientConnection, hello: [UInt8]) {
        var entry = bag.entry(forPort: localPort)
        defer { wipe(&entry.psk) }
        let prologue = Hello.prologue(bag: bag.id, port: localPort, index: entry.index)
        var noise = try NoiseInitiator(prologue: prologue, psk: entry.psk, ephemeral: randomBytes(32, &random))
        let hello = Hello.Client(
            bag: bag.id, port: localPort, index: entry.index, message: try noise.writeFirst())
        let connection = ClientConnection(
            state: .greeting(noise), bag: bag.id, key: entry.key, documentLimit: documentLimit)
        return (connection, hello.line + [0x0D, 0x0A])
    }

    private init(state: State, bag: BagID, key: DESKey, documentLimit: Int) {
        self.state = state
        self.bag = bag
        self.key = key
        self.documentLimit = documentLimit
    }

    /// Packets in the busier direction; the caller reconnects before ``CommlinkLimits/packets``.
    package var packetCount: UInt64 {
        if case .open(let channel) = state { channel.packetCount } else { 0 }
    }

    /// Packets that have arrived: moves while the peer makes progress.
    package var packetsReceived: UInt64 {
        if case .open(let channel) = state { channel.packetsReceived } else { 0 }
    }

    /// Whether a line or a document has begun and not ended, so that a progress timer should run.
    package var isWaitingForMore: Bool {
        if case .open(let channel) = state { framer.isInsideLine || channel.isInsideDocument } else { false }
    }

    /// Noise's handshake hash, once the connection is open.
    package var handshakeHash: [UInt8]? {
        if case .open(let channel) = state { channel.handshakeHash } else { nil }
    }

    /// Bytes from the server, however they were cut.
    package mutating func receive(_ bytes: UnsafeRawBufferPointer) { framer.append(bytes) }

    /// The next event in the bytes received so far; nil when more bytes are needed.
    package mutating func next() throws(WireError) -> Event? {
        do { return try step() } catch {
            state = .closed
            throw error
        }
    }

    private mutating func step() throws(WireError) -> Event? {
        switch state {
        case .greeting(let noise):
            guard let line = try framer.next(limit: Hello.limit) else { return nil }
            let hello = try Hello.Server(parsing: line)
            guard hello.bag == bag else { throw .unknownBag(hello.bag) }
            state = .closed  // Nothing else holds the keys that this overwrites.
            let (_, session) = try noise.readSecond(hello.message)
            state = .open(Channel(PacketChannel(session, key: key), documentLimit: documentLimit))
            return .opened
        case .open(var channel):
            state = .closed  // Keeps the channel's buffers uniquely referenced while it changes.
            while let line = try framer.next(limit: CommlinkLimits.line) {
                guard let event = try channel.receive(line) else { continue }
                state = .open(channel)
                switch event {
                case .document(let bytes): return .document(bytes)
                case .closed: return .closed
                }
            }
            state = .open(channel)
            return nil
        case .closed:
            return nil
        }
    }

    /// Appends a document's packets to `out`. `afterClose` unless the connection is open.
    package mutating func send(
        _ document: [UInt8], random: inout some RandomNumberGenerator, into out: inout [UInt8]
    ) throws(WireError) {
        guard case .open(var channel) = state else { throw .afterClose }
        state = .closed
        defer { state = .open(channel) }
        try channel.send(document, random: &random, into: &out)
    }

    /// Appends `close` to `out`; the replies under way still arrive.
    package mutating func sendClose(
        random: inout some RandomNumberGenerator, into out: inout [UInt8]
    ) throws(WireError) {
        guard case .open(var channel) = state else { return }
        defer { state = .open(channel) }
        try channel.sendClose(random: &random, into: &out)
    }

    /// The stream has ended: throws `truncated` unless the server closed first.
    package func end() throws(WireError) {
        if case .open(let channel) = state, channel.receivedClose { return }
        if case .closed = state { return }
        throw .truncated
    }
}
