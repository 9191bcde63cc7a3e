package import FFSModel

/// How much a server trusts the port in a client's hello.
package enum PortCheck: Sendable {
    /// It must be the port the connection comes from.
    case strict
    /// The handshake authenticates it, and that is enough: for clients behind a NAT that rewrites ports.
    case announced
}

/// The accepting end of one FFS/2 connection: bytes in, events out; it does no I/O and knows no clock.
///
///     greeting ──client's hello──▶ open ──close, end of stream──▶ closed
///
/// Nothing is acted on before a transport message has verified: the hello alone could be a replay.
package struct ServerConnection: Sendable {
    private enum State: Sendable {
        case greeting
        case open(Channel)
        case closed
    }

    package enum Event: Sendable, Equatable {
        /// The hello to send back.
        case greeted([UInt8])
        case document([UInt8])
        /// The client will send no more; it still reads the replies to what it sent.
        case closed
    }

    private var state = State.greeting
    private var framer = LineFramer()
    private let peerPort: UInt16
    private let portCheck: PortCheck
    private let documentLimit: Int

    /// `peerPort`: the port the connection comes from.
    package init(peerPort: UInt16, portCheck: PortCheck, documentLimit: Int) {
        self.peerPort = peerPort
        self.portCheck = portCheck
        self.documentLimit = documentLimit
    }

    /// Whether the hello is still to come, whole or in part.
    package var isGreeting: Bool { if case .greeting = state { true } else { false } }

    /// Whether a line or a document has begun and not ended, so that a progress timer should run.
    package var isWaitingForMore: Bool {
        if case .open(let channel) = state { framer.isInsideLine || channel.isInsideDocument } else { false }
    }

    /// The bag that opened the connection, once it is open.
    package private(set) var bag: BagID?
    /// The host whose bag that is; nil for a bag that all hosts of the link share.
    package private(set) var node: NodeName?

    /// Packets that have arrived: moves while the peer makes progress.
    package var packetsReceived: UInt64 {
        if case .open(let channel) = state { channel.packetsReceived } else { 0 }
    }

    /// Noise's handshake hash, once the connection is open.
    package var handshakeHash: [UInt8]? {
        if case .open(let channel) = state { channel.handshakeHash } else { nil }
    }

    /// Bytes from the client, however they were cut.
    package mutating func receive(_ bytes: UnsafeRawBufferPointer) { framer.append(bytes) }

    /// The next event in the bytes received so far; nil when more bytes are needed.
    /// `ring` and `now` (seconds since 1970) decide which bags open the connection; asked for with the hello alone.
    package mutating func next(
        ring: @autoclosure () -> KeyRing, now: @autoclosure () -> Int64, random: inout some RandomNumberGenerator
    ) throws(WireError) -> Event? {
        do { return try step(ring, now, &random) } catch {
            state = .closed
            throw error
        }
    }

    private mutating func step(
        _ ring: () -> KeyRing, _ now: () -> Int64, _ random: inout some RandomNumberGenerator
    ) throws(WireError) -> Event? {
        switch state {
        case .greeting:
            guard let line = try framer.next(limit: Hello.limit) else { return nil }
            return try greet(Hello.Client(parsing: line), ring(), now(), &random)
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

    private mutating func greet(
        _ hello: Hello.Client, _ ring: KeyRing, _ now: Int64, _ random: inout some RandomNumberGenerator
    ) throws(WireError) -> Event {
        guard let bag = ring.bag(hello.bag, now: now) else { throw .unknownBag(hello.bag) }
        if portCheck == .strict, hello.port != peerPort {
            throw .portMismatch(announced: hello.port, seen: peerPort)
        }
        var entry = bag.entry(forPort: hello.port)
        defer { wipe(&entry.psk) }
        guard hello.index == entry.index else { throw .wrongIndex }
        var noise = try NoiseResponder(prologue: hello.prologue, psk: entry.psk, ephemeral: randomBytes(32, &random))
        _ = try noise.readFirst(hello.message)
        let (message, session) = try noise.writeSecond()
        state = .open(Channel(PacketChannel(session, key: entry.key), documentLimit: documentLimit))
        self.bag = bag.id
        node = bag.node
        return .greeted(Hello.Server(bag: bag.id, message: message).line + [0x0D, 0x0A])
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

    /// Appends `close` to `out`, once.
    package mutating func sendClose(
        random: inout some RandomNumberGenerator, into out: inout [UInt8]
    ) throws(WireError) {
        guard case .open(var channel) = state else { return }
        defer { state = .open(channel) }
        try channel.sendClose(random: &random, into: &out)
    }

    /// The stream has ended: throws `truncated` unless the client closed first.
    package func end() throws(WireError) {
        if case .open(let channel) = state, channel.receivedClose { return }
        if case .closed = state { return }
        throw .truncated
    }
}

/// `count` bytes, a multiple of 8.
func randomBytes(_ count: Int, _ random: inout some RandomNumberGenerator) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    for _ in 0..<(count / 8) {
        let word: UInt64 = random.next()
        for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
    return bytes
}
