import NIOCore
import NIOHTTP1
import NIOPosix
import SystemSupport

/// Sends one answer's body: reads ahead by one chunk, writes while the channel takes it, holds at most two chunks, and
/// waits when the rate of its session, account or server is used up. Lives on the event loop; reads that may wait for a disk run on the pool.
final class BodyPump {
    enum Piece {
        case bytes([UInt8])
        /// Bytes of the source's file.
        case file(Range<Int>)
        case listing(DirectoryLister)
    }

    struct Source {
        let file: OpenFile?
        let pieces: [Piece]
    }

    /// Bytes of a read. Also what a client must take within the stall time.
    private static let chunk = 131_072
    /// Up to this size a file is read at once: it is in the page cache or costs one seek.
    private static let inline = 65_536

    let started = NIODeadline.now()
    private let context: ChannelHandlerContext
    private let pool: NIOThreadPool
    private let file: OpenFile?
    private var pieces: ArraySlice<Piece>
    private var onEnd: ((_ sent: Int, _ isComplete: Bool) -> Void)?
    private let rate: HTTPSConnection.Rate?
    private let ledger: Ledger
    /// A chunk is being read, or the rate is used up.
    private var isWaiting = false
    private var outstanding = 0
    /// Bytes of files that the kernel has taken.
    private(set) var sent = 0

    init(
        _ source: Source, on context: ChannelHandlerContext, pool: NIOThreadPool, rate: HTTPSConnection.Rate?,
        ledger: Ledger, onEnd: @escaping (_ sent: Int, _ isComplete: Bool) -> Void
    ) {
        self.context = context
        self.pool = pool
        self.rate = rate
        self.ledger = ledger
        file = source.file
        pieces = source.pieces[...]
        self.onEnd = onEnd
    }

    /// Goes on as far as it can.
    func go() {
        while onEnd != nil, !isWaiting, outstanding < 2, context.channel.isWritable || outstanding == 0 {
            guard let piece = pieces.popFirst() else {
                if outstanding == 0 { end(isComplete: true) }
                return
            }
            switch piece {
            case .bytes(let bytes): write(context.channel.allocator.buffer(bytes: bytes), counts: false)
            case .file(let range): send(range)
            case .listing(let lister):
                var out: [UInt8] = []
                if lister.next(into: &out) { pieces = [.listing(lister)] + pieces }
                write(context.channel.allocator.buffer(bytes: out), counts: false)
            }
        }
    }

    private func send(_ range: Range<Int>) {
        guard let file, !range.isEmpty else { return }
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
        if range.count <= Self.inline {
            do { try write(Self.read(file, part, context.channel.allocator), counts: true) } catch {
                end(isComplete: false)
            }
            return
        }
        isWaiting = true
        let allocator = context.channel.allocator
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        pool.runIfActive(eventLoop: context.eventLoop) { try Self.read(file, part, allocator) }.whenComplete { result in
            me.value.didRead(result)
        }
    }

    private func pause(_ nanoseconds: Int64) {
        isWaiting = true
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: .nanoseconds(nanoseconds)) {
            me.value.isWaiting = false
            me.value.go()
        }
    }

    private func didRead(_ result: Result<ByteBuffer, any Error>) {
        isWaiting = false
        guard onEnd != nil else { return }
        switch result {
        case .success(let buffer):
            write(buffer, counts: true)
            go()
        case .failure: end(isComplete: false)
        }
    }

    private struct FileEndedEarly: Error {}

    private static func read(
        _ file: OpenFile, _ range: Range<Int>, _ allocator: ByteBufferAllocator
    ) throws -> ByteBuffer {
        var buffer = allocator.buffer(capacity: range.count)
        try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: range.count) { space in
            var count = 0
            while count < range.count {
                let rest = UnsafeMutableRawBufferPointer(rebasing: space[count..<range.count])
                let got = try file.descriptor.read(into: rest, at: range.lowerBound + count)
                // Objects never change; a shorter file is a broken disk, and a short answer must not look whole.
                guard got > 0 else { throw FileEndedEarly() }
                count += got
            }
            return count
        }
        return buffer
    }

    private func write(_ buffer: ByteBuffer, counts: Bool) {
        let count = counts ? buffer.readableBytes : 0
        outstanding += 1
        let me = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.writeAndFlush(NIOAny(HTTPServerResponsePart.body(.byteBuffer(buffer)))).whenComplete { result in
            me.value.didWrite(count, result)
        }
    }

    private func didWrite(_ count: Int, _ result: Result<Void, any Error>) {
        outstanding -= 1
        switch result {
        case .success:
            sent += count
            if count > 0 { ledger.count(.httpsBytes, by: count) }
            go()
        case .failure: end(isComplete: false)
        }
    }

    /// Reports once.
    func end(isComplete: Bool) {
        guard let report = onEnd else { return }
        onEnd = nil
        report(sent, isComplete)
    }
}
