import FFSModel
import HTTPDownload
import NIOCore
import SystemSupport
import TLSEngine

/// One connection of the HTTPS side on our own loop, from its TLS handshake on: HTTP/1.1 to its end, HTTP/2 until the
/// handshake has agreed on it. A small answer is one buffer, one TLS record and one write(2); what is malformed is refused
/// by one strict grammar (``RequestReader``).
///
///     handshaking ──▶ serving ──▶ closing ──▶ lingering ──▶ closed
///          └─ HTTP/2: handed over
final class HTTP1Connection: PollLoop.Source {
    enum Life { case handshaking, serving, closing, lingering, closed }

    /// Bytes on their way to the client.
    struct Outgoing {
        var buffer: ByteBuffer
        let isLast: Bool
        let sent: (Bool) -> Void
    }

    let desk: DownloadDesk
    let connection: HTTPSConnection
    let polled: PollLoop
    let stream: ByteStream
    /// Gets the socket, its TLS and the connection once HTTP/2 is agreed.
    private let handOver: (_ socket: Int32, TLSConnection, HTTPSConnection) -> Void
    var life = Life.handshaking
    private var reader = RequestReader()
    var exchangeMade: Exchange?
    var queue: [Outgoing] = []
    /// For the next answer's head.
    var spare: ByteBuffer?
    /// The head of the answer that has begun, until it is sent.
    var head: ByteBuffer?
    var isChunked = false
    var keepsAlive = true
    /// An answer is under way.
    var isAnswering = false
    /// No more requests are looked at.
    var isOver = false
    private var isServing = false
    var isWriting = false
    /// The client says no more.
    var sawEnd = false
    /// Bytes that the socket took in this turn.
    var taken = 0

    /// Bytes of requests that may wait while an answer is under way.
    private static let mostWaiting = 65_536
    /// Bytes sent in one go, and reads, before other connections get their turn.
    static let slice = 1 << 20
    private static let mostReads = 16

    init(
        _ stream: ByteStream, _ connection: HTTPSConnection, desk: DownloadDesk, loop: PollLoop,
        handOver: @escaping (_ socket: Int32, TLSConnection, HTTPSConnection) -> Void
    ) {
        self.stream = stream
        self.connection = connection
        self.desk = desk
        self.handOver = handOver
        polled = loop
        super.init()
        connection.end = self
    }

    /// A connection begins with all its parts.
    @available(*, unavailable) override init() { preconditionFailure("a connection begins with all its parts") }

    func start(tls context: TLSContext) {
        do {
            try stream.startTLS(context, identity: [], kernelMayEncrypt: false)
            try polled.add(self, stream.socket.rawValue, .input)
        } catch { return destroy() }
        polled.setDeadline(self, in: desk.settings.handshakeTimeout)
        shake()
    }

    // MARK: Events

    override func ready(_ readiness: Readiness) {
        taken = 0
        switch life {
        case .handshaking: shake()
        case .serving, .closing:
            if !queue.isEmpty { write() }
            if life == .serving { exchangeMade?.goOn() }
            if life == .serving, readiness.mayRead { receive() }
            if life == .closing, queue.isEmpty { finish() }
            update()
        case .lingering: discard()
        case .closed: break
        }
    }

    override func expired() { destroy() }
    override func woken() { ready(.input) }

    /// Asks for the events that are wanted now; the last act of every entry from outside.
    func update() {
        guard life == .serving || life == .closing else { return }
        let reads = life == .serving && !sawEnd && !isFull
        let writes = !queue.isEmpty || isPausing
        polled.watch(self, reads ? (writes ? .inputAndOutput : .input) : writes ? .output : .none)
    }

    /// So much waits for the answer that is under way that no more is read.
    private var isFull: Bool { isAnswering && reader.waiting > Self.mostWaiting }

    // MARK: Handshake

    private func shake() {
        switch stream.handshake() {
        case .bytes: established()
        case .wantsInput: polled.watch(self, .input)
        case .wantsOutput: polled.watch(self, .output)
        case .end, .failed: destroy()
        }
    }

    private func established() {
        guard let tls = stream.tls else { return destroy() }
        desk.ledger.count(tls.resumption == .none ? .httpsFull : .httpsResumed)
        connection.secured(by: tls)
        guard tls.applicationProtocol != "h2" else { return moveOver(tls) }
        life = .serving
        polled.setDeadline(self, in: nil)
        tls.readAhead()
        receive()
        update()
    }

    /// HTTP/2 is SwiftNIO's business.
    private func moveOver(_ tls: TLSConnection) {
        guard let socket = try? stream.socket.duplicate() else { return destroy() }
        life = .closed
        polled.remove(self)
        tls.leaveSocket()
        desk.release(connection)
        handOver(socket.release(), tls, connection)
    }

    // MARK: Requests

    var exchange: Exchange {
        if let exchangeMade { return exchangeMade }
        let made = Exchange(desk: desk, connection: connection, wire: self)
        exchangeMade = made
        return made
    }

    private func receive() {
        var reads = 0
        while life == .serving, !sawEnd, !isFull {
            // Who sends without a pause waits for the others' turns.
            guard reads < Self.mostReads else { return polled.wake(self, after: 0) }
            reads += 1
            switch stream.read(into: desk.readSpace) {
            case .bytes(let count):
                guard !isOver else { break }
                reader.append(UnsafeRawBufferPointer(rebasing: desk.readSpace[..<count]))
                serve()
            case .wantsInput, .wantsOutput: return
            case .end:
                // What it asked for is still answered.
                sawEnd = true
                if !isAnswering { close() }
                return
            case .failed: return destroy()
            }
            // The loop tells of what is in the socket, not of what is inside OpenSSL.
            if stream.tls?.hasBufferedInput != true { return }
        }
    }

    /// Answers whole requests until one answer takes longer.
    private func serve() {
        guard !isServing else { return }
        isServing = true
        defer { isServing = false }
        while !isAnswering, !isOver, life == .serving {
            do throws(RequestReader.Refusal) {
                guard let request = try reader.next() else { return }
                isAnswering = true
                keepsAlive = request.keepsAlive
                exchange.answer(request)
            } catch {
                isAnswering = true
                isOver = true
                keepsAlive = false
                exchange.refuse(error)
            }
        }
    }

    /// The last byte was taken.
    func answered() {
        guard isAnswering else { return }
        let wasFull = isFull
        isAnswering = false
        if !keepsAlive || exchange.endsConnection || sawEnd {
            isOver = true
            return close()
        }
        serve()
        if wasFull { receive() }
    }
}
