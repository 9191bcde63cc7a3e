import NIOCore
import SystemSupport

/// Where the bytes of one answer go: a connection of HTTP/1.1 or a stream of HTTP/2.
protocol AnswerWire: AnyObject {
    var loop: any AnswerLoop { get }
    /// Whether the connection takes more at present.
    var isWritable: Bool { get }
    /// Whether others are to have their turn first; ``Exchange/goOn()`` is called after it.
    var isPausing: Bool { get }
    /// The head goes out with the first bytes of the body, or with the end.
    func begin(_ head: AnswerHead)
    /// Space for the next bytes of the body; what is in it already, such as the head, stays before them.
    func buffer(_ capacity: Int) -> ByteBuffer
    /// The one from ``buffer(_:)`` is not to be sent, but what it had in it.
    func giveBack(_ buffer: ByteBuffer)
    /// - Parameter sent: whether the kernel took it; called later, or before this returns.
    func send(_ buffer: ByteBuffer, isLast: Bool, _ sent: @escaping (Bool) -> Void)
    /// Nothing more comes, and the client must see that it is not the end.
    func breakOff()
}

/// Status and fields of an answer.
struct AnswerHead {
    let status: Int
    let fields: [(String, String)]
    /// The same as HTTP/1.1 has them, where they were put together before.
    let fieldText: [UInt8]?
    /// Whether a body follows whose length no field tells.
    let isOpenEnded: Bool
}

/// Sends one answer's body: reads ahead by one chunk, writes while the connection takes it, holds at most two chunks,
/// and waits when the rate of its session, account or server is used up. Lives on the event loop; reads that may wait
/// for a disk, and listings, run on the pool.
final class BodyPump {
    enum Piece {
        case bytes(ArraySlice<UInt8>)
        /// Bytes of the source's file.
        case file(Range<Int>)
        case listing(DirectoryLister)
    }

    struct Source {
        var file: OpenFile?
        /// All of the file, where it is in memory.
        var content: [UInt8]?
        var pieces: [Piece]
    }

    /// Bytes of a read. Also what a client must take within the stall time.
    private static let chunk = 131_072
    /// Up to this size a file is read at once: it is in the page cache or costs one seek.
    private static let inline = 65_536

    let started = SystemClock.monotonic()
    private let wire: any AnswerWire
    private let file: OpenFile?
    private let content: [UInt8]?
    private var pieces: ArraySlice<Piece>
    private var onEnd: ((_ sent: Int, _ isComplete: Bool) -> Void)?
    /// Asked once, before the last byte goes out, with the bytes of files that will have been sent then; what is pending
    /// calls its closure, from any thread, with nil or with why the last byte must not go.
    private var settle: Settle?
    /// Parts left, the last byte among them, when it is asked.
    private let settledParts: Int
    private var total = 0
    private let rate: HTTPSConnection.Rate?
    private let connection: HTTPSConnection
    /// A chunk is being read, or the rate is used up.
    private var isWaiting = false
    private var outstanding = 0
    private var sentLast = false
    private var isGoing = false
    /// Bytes of files that the kernel has taken.
    private(set) var sent = 0

    typealias Settle = (_ bytes: Int, _ done: @escaping @Sendable (String?) -> Void) -> Settlement
    /// An answer that fits into any socket's buffer at once is its own last byte: one write for a small file.
    private static let small = 16_384

    init(
        _ source: Source, on wire: any AnswerWire, rate: HTTPSConnection.Rate?,
        connection: HTTPSConnection, settle: Settle? = nil, onEnd: @escaping (_ sent: Int, _ isComplete: Bool) -> Void
    ) {
        self.wire = wire
        self.rate = rate
        self.connection = connection
        file = source.file
        content = source.content
        self.settle = settle
        var pieces = source.pieces.filter(\.isThere)
        if settle == nil || pieces.reduce(0, { $0 + $1.count }) <= Self.small {
            settledParts = pieces.count
        } else {
            pieces += pieces.removeLast().withLastByteApart
            settledParts = 1
        }
        self.pieces = pieces[...]
        total = pieces.reduce(0) { $0 + $1.fileBytes }
        self.onEnd = onEnd
    }

    /// Whether the next piece may go out: the last byte waits for its record, and for all that comes before it.
    private func maySendNext() -> Bool {
        guard let settle, pieces.count <= settledParts else { return true }
        guard outstanding == 0 else { return false }
        let post = wire.loop.fromElsewhere
        let me = Handoff(self)
        switch settle(total, { failure in post { me.value.settled(failure) } }) {
        case .settled:
            self.settle = nil
            return true
        case .pending: isWaiting = true
        case .failed: end(isComplete: false)
        }
        return false
    }

    private func settled(_ failure: String?) {
        isWaiting = false
        guard onEnd != nil else { return }
        guard failure == nil else { return end(isComplete: false) }
        settle = nil
        go()
    }

    /// Goes on as far as it can.
    func go() {
        // What is taken at once calls back while this loop still runs.
        guard !isGoing else { return }
        isGoing = true
        defer { isGoing = false }
        while onEnd != nil, !isWaiting, !sentLast, outstanding < 2, wire.isWritable || outstanding == 0,
            !wire.isPausing
        {
            guard maySendNext() else { break }
            switch pieces.popFirst() {
            case nil: write(wire.buffer(0), counts: 0)
            case .bytes(let bytes):
                let part = bytes.prefix(Self.chunk)
                if part.count < bytes.count { pieces = [.bytes(bytes.dropFirst(part.count))] + pieces }
                var buffer = wire.buffer(part.count)
                buffer.writeBytes(part)
                write(buffer, counts: 0)
            case .file(let range): send(range)
            case .listing(let lister): list(lister)
            }
        }
        if sentLast, outstanding == 0 { end(isComplete: true) }
    }

    private func send(_ range: Range<Int>) {
        var most = Self.chunk
        switch rate?.limit.turn(now: SystemClock.monotonic()) {
        case nil: break
        case .bytes(let count): most = min(most, count)
        case .wait(let nanoseconds):
            pieces = [.file(range)] + pieces
            return pause(nanoseconds)
        }
        let part = range.prefix(most)
        rate?.limit.sent(part.count)
        if part.count < range.count { pieces = [.file(part.endIndex..<range.upperBound)] + pieces }
        if let content {
            var buffer = wire.buffer(part.count)
            buffer.writeBytes(content[part])
            return write(buffer, counts: part.count)
        }
        guard let file else { return end(isComplete: false) }
        do {
            var buffer = wire.buffer(part.count)
            // The longer file's part may be in the page cache as well: then no other thread need be woken.
            if try Self.read(file, part, into: &buffer, onlyCached: range.count > Self.inline) {
                return write(buffer, counts: part.count)
            }
            wire.giveBack(buffer)
        } catch { return end(isComplete: false) }
        isWaiting = true
        wire.loop.away {
            var buffer = ByteBufferAllocator().buffer(capacity: part.count)
            _ = try Self.read(file, part, into: &buffer, onlyCached: false)
            return buffer
        } _: { [self] buffer in
            didRead(buffer, part.count)
        }
    }

    private func list(_ lister: DirectoryLister) {
        isWaiting = true
        let given = Handoff(lister)
        wire.loop.away {
            var out: [UInt8] = []
            let goesOn = try given.value.next(into: &out)
            return (ByteBuffer(bytes: out), goesOn)
        } _: { [self] made in
            guard let (buffer, goesOn) = made else { return didRead(nil, 0) }
            if goesOn { pieces = [.listing(given.value)] + pieces }
            didRead(buffer, 0)
        }
    }

    private func pause(_ nanoseconds: Int64) {
        isWaiting = true
        wire.loop.after(nanoseconds) { [self] in
            isWaiting = false
            go()
        }
    }

    private func didRead(_ buffer: ByteBuffer?, _ count: Int) {
        isWaiting = false
        guard onEnd != nil else { return }
        guard let buffer else { return end(isComplete: false) }
        write(buffer, counts: count)
        go()
    }

    private struct FileEndedEarly: Error {}

    /// False when not all of `range` is in the page cache; the buffer is then as it was.
    private static func read(
        _ file: OpenFile, _ range: Range<Int>, into buffer: inout ByteBuffer, onlyCached: Bool
    ) throws -> Bool {
        var isThere = true
        try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: range.count) { space in
            var count = 0
            while count < range.count {
                let rest = UnsafeMutableRawBufferPointer(rebasing: space[count..<range.count])
                let got =
                    try onlyCached
                    ? file.descriptor.readCached(into: rest, at: range.lowerBound + count)
                    : file.descriptor.read(into: rest, at: range.lowerBound + count)
                if got == 0, onlyCached {
                    isThere = false
                    return 0
                }
                // Objects never change; a shorter file is a broken disk, and a short answer must not look whole.
                guard got > 0 else { throw FileEndedEarly() }
                count += got
            }
            return count
        }
        return isThere
    }

    /// - Parameter counts: bytes of a file in it.
    private func write(_ buffer: ByteBuffer, counts count: Int) {
        outstanding += 1
        sentLast = pieces.isEmpty
        wire.send(buffer, isLast: sentLast) { [self] isTaken in
            outstanding -= 1
            guard isTaken else { return end(isComplete: false) }
            sent += count
            connection.took(count)
            go()
        }
    }

    /// Reports once.
    func end(isComplete: Bool) {
        guard let report = onEnd else { return }
        onEnd = nil
        report(sent, isComplete)
    }
}

extension BodyPump.Piece {
    fileprivate var isThere: Bool {
        switch self {
        case .bytes(let bytes): !bytes.isEmpty
        case .file(let range): !range.isEmpty
        case .listing: true
        }
    }

    /// Bytes; of a listing nobody knows.
    fileprivate var count: Int {
        switch self {
        case .bytes(let bytes): bytes.count
        case .file(let range): range.count
        case .listing: 0
        }
    }

    fileprivate var fileBytes: Int { if case .file(let range) = self { range.count } else { 0 } }

    fileprivate var withLastByteApart: [Self] {
        switch self {
        case .bytes(let bytes) where bytes.count > 1: [.bytes(bytes.dropLast()), .bytes(bytes.suffix(1))]
        case .file(let range) where range.count > 1:
            [.file(range.dropLast()), .file(range.suffix(1))]
        default: [self]
        }
    }
}
