import Synchronization
package import SystemSupport
import TLSEngine

/// Sends one file, range or listing over one data connection, on whichever loop it is given to.
///
/// Bounded: 64 KiB while bytes are translated, 256 KiB of records while more than 64 KiB are encrypted, nothing for
/// sendfile. A slow reader makes the socket unwritable and costs nothing until it reads on. Under way it is moved at
/// most once, from the control thread to a data thread.
package final class Transfer: PollLoop.Source {
    /// Where the bytes come from.
    package enum Content {
        /// `range` of the file as it is stored.
        case file(OpenFile, Range<UInt64>)
        /// The file with its line ends or records changed on the way.
        case translated(OpenFile, Translation)
        case bytes([UInt8])
        /// Made piece by piece: listings of any length.
        case produced(any ChunkProducer)
    }

    package enum End: Sendable, Hashable {
        case complete
        /// The peer closed or broke the connection, or did not read for too long.
        case broken(String)
        /// The TLS handshake did not end well.
        case handshakeFailed(String)
        /// The TLS session that was demanded was not offered.
        case notResumed
        /// The file could not be read to its end.
        case unreadable(String)
        /// Its record could not be written, so its last byte did not go out.
        case unrecorded(String)
        /// ABOR, a kick, an expired account.
        case aborted
    }

    /// What TLS session a data connection's handshake must resume, or the transfer ends with ``End/notResumed``.
    package enum Demand: Sendable {
        case nothing
        /// Any that this server gave out.
        case someSession
        /// Its control connection's.
        case ownSession

        fileprivate func isMet(by resumption: TLSConnection.Resumption?) -> Bool {
            switch self {
            case .nothing: true
            case .someSession: resumption != TLSConnection.Resumption.none
            case .ownSession: resumption == .ownSession
            }
        }
    }

    private enum Phase { case handshake, sending, settling, finishing, ended }

    package let stream: ByteStream
    private var content: Content
    private let demand: Demand
    /// Called once, on the thread of the loop that runs the transfer then.
    package var onEnd: (End) -> Void = { _ in }
    /// Asked once, before the last byte goes out, with the bytes that will have been sent then; ``settled(_:)`` follows
    /// what is pending, on the loop's thread. Everything else is sent before.
    package var settle: ((Transfer, UInt64) -> Settlement)?
    private var phase = Phase.handshake
    private var buffer: [UInt8] = []
    private var bufferStart = 0
    private var position: UInt64 = 0
    private var isExhausted = false
    private var work = 0
    private unowned var loop: PollLoop?
    /// nil: as fast as it goes.
    package var limit: RateLimit?
    private let patience: Int
    /// Payload bytes handed to the kernel; read by STAT and `who` from the control thread.
    package let progress: Progress

    package final class Progress: Sendable {
        private let count = Atomic<UInt64>(0)
        package var bytes: UInt64 { count.load(ordering: .relaxed) }
        fileprivate func add(_ more: Int) { count.wrappingAdd(UInt64(more), ordering: .relaxed) }
    }

    /// - Parameters:
    ///   - demand: what the handshake must resume.
    ///   - corks: sends whole segments until the end. Never under TLS, where it delays small files by 200 ms, and
    ///     never with pacing, which it starves.
    ///   - patience: seconds without a byte taken after which the peer is given up.
    package init(_ stream: ByteStream, _ content: Content, demand: Demand, corks: Bool, patience: Int) {
        self.stream = stream
        self.content = content
        self.demand = demand
        self.patience = patience
        progress = Progress()
        super.init()
        if case .file(_, let range) = content { position = range.lowerBound }
        if stream.tls == nil { phase = .sending }
        if corks { stream.socket.set(.cork(true)) }
    }

    // MARK: Running

    /// Sends what fits into `budget` bytes without waiting. True when that was all, and `onEnd` was called.
    package func runInline(budget: Int) -> Bool {
        _ = advance(budget: budget)
        return phase == .ended
    }

    /// Goes on by the loop's events.
    package func start(on loop: PollLoop) {
        self.loop = loop
        do { try loop.add(self, stream.socket.rawValue, .output) } catch {
            return end(.broken(error.description))
        }
        loop.setDeadline(self, in: patience)
    }

    package override func ready(_ readiness: Readiness) {
        guard let loop else { return }
        let before = progress.bytes
        let wasAgreeing = phase == .handshake
        let wanted = advance(budget: Self.slice)
        guard phase != .ended else { return }
        // A handshake that drips has no more time than one that stands still.
        if progress.bytes != before || (wasAgreeing && phase != .handshake) { loop.setDeadline(self, in: patience) }
        loop.watch(self, wanted)
    }

    package override func woken() { ready(.output) }

    package override func expired() { end(phase == .handshake ? .handshakeFailed("timed out") : .broken("timed out")) }

    package func abort() { end(.aborted) }

    /// It cannot be recorded, so it goes no further.
    package func refuse(_ why: String) { end(.unrecorded(why)) }

    /// Bytes sent in one go before other transfers of the same thread get their turn.
    private static let slice = 1 << 20
    private static let chunk = 64 * 1_024
    /// What making a piece counts as, in bytes sent: a listing that shows little and a file that compresses well are
    /// much work for few bytes.
    private static let workOfOnePiece = 256 * 1_024

    /// What ``settle`` waited for is done: nil, or why the last byte must not go out.
    package func settled(_ failure: String?) {
        guard phase == .settling else { return }
        if let failure { return end(.unrecorded(failure)) }
        settle = nil
        phase = .sending
        ready(.output)
    }

    /// For ``settled(_:)``; nil while nobody runs it but its caller.
    package var mailbox: Mailbox? { loop?.mailbox }

    /// Goes on until the budget is used up or the socket is full; returns what to wait for.
    private func advance(budget: Int) -> Readiness {
        var budget = budget
        while true {
            let outcome: ByteStream.Outcome
            switch phase {
            case .handshake: outcome = stream.handshake()
            case .sending:
                guard budget > 0 else { return .output }
                guard let allowed = allowance(budget) else { return loop == nil ? .output : [] }
                guard maySendLast() else { return [] }
                outcome = sendSome(allowed)
            case .finishing: outcome = stream.finish()
            case .settling, .ended: return []
            }
            switch outcome {
            case .bytes(let count):
                budget -= count + work
                work = 0
                step(count)
            case .wantsInput: return .input
            case .wantsOutput: return .output
            case .end: end(.broken("closed by the client"))
            case .failed(let why): end(phase == .handshake ? .handshakeFailed(why) : .broken(why))
            }
        }
    }

    /// How much may be sent now; nil: none, and the loop wakes this transfer when it may be.
    private func allowance(_ budget: Int) -> Int? {
        switch limit?.turn(now: SystemClock.monotonic()) {
        case nil: return budget
        case .bytes(let count): return min(budget, count)
        case .wait(let nanoseconds):
            loop?.wake(self, after: nanoseconds)
            return nil
        }
    }

    private func step(_ count: Int) {
        switch phase {
        case .handshake:
            if !demand.isMet(by: stream.tls?.resumption) { return end(.notResumed) }
            if isLong { stream.tls?.gatherRecords(bytes: 4 * Self.chunk) }
            phase = .sending
        case .sending:
            progress.add(count)
            limit?.sent(count)
            if isExhausted, bufferStart == buffer.count, settle == nil { phase = .finishing }
        case .finishing: end(.complete)
        case .settling, .ended: break
        }
    }

    private func end(_ how: End) {
        guard phase != .ended else { return }
        phase = .ended
        limit?.giveBack(now: SystemClock.monotonic())
        // A reset tells a client that waits for more that nothing comes; a FIN would look like the end of the file.
        if how != .complete, stream.tls == nil || how == .aborted { stream.socket.set(.resetOnClose) }
        loop?.remove(self)
        buffer = []
        // The callback usually holds the session that holds this transfer.
        let callback = onEnd
        onEnd = { _ in }
        callback(how)
    }

    // MARK: The last byte

    /// What fits into any socket's buffer at once is its own last byte: one write for a small file.
    private static let small = 16_384

    private func tail(_ range: Range<UInt64>) -> UInt64 { range.count <= Self.small ? UInt64(range.count) : 1 }

    /// Bytes of the buffer that may not go out yet.
    private var held: Int { settle == nil ? 0 : 1 }

    /// Bytes left, if nothing is left but the last of them.
    private var last: UInt64? {
        switch content {
        case .file(_, let range):
            let left = range.upperBound - position
            return left <= tail(range) ? left : nil
        case .translated, .bytes, .produced:
            let left = buffer.count - bufferStart
            return isExhausted && left <= 1 ? UInt64(left) : nil
        }
    }

    private func maySendLast() -> Bool {
        guard let settle, let last else { return true }
        switch settle(self, progress.bytes + last) {
        case .settled:
            self.settle = nil
            return true
        case .pending: phase = .settling
        case .failed(let why): end(.unrecorded(why))
        }
        return false
    }

    // MARK: Content

    /// More than a few records.
    private var isLong: Bool {
        switch content {
        case .file(_, let range): range.count > Self.chunk
        case .bytes(let bytes): bytes.count > Self.chunk
        case .translated, .produced: true
        }
    }

    private func sendSome(_ budget: Int) -> ByteStream.Outcome {
        if bufferStart < buffer.count - held { return sendBuffered(budget) }
        switch content {
        case .file(let file, let range): return sendFile(file, range, budget)
        case .bytes(let bytes):
            guard !bytes.isEmpty else { return exhaust() }
            buffer = bytes
            isExhausted = true
            return sendBuffered(budget)
        case .translated, .produced: return sendMore(budget)
        }
    }

    /// The next piece of what is made on the way, behind the byte that was held.
    private func sendMore(_ budget: Int) -> ByteStream.Outcome {
        buffer.removeFirst(bufferStart)
        bufferStart = 0
        if isExhausted { return .bytes(0) }
        switch content {
        case .file, .bytes: break
        case .translated(let file, var translation):
            do throws(SystemError) {
                isExhausted = try !translation.fill(&buffer, from: file, at: &position, about: Self.chunk)
            } catch {
                end(.unreadable(error.description))
                return .bytes(0)
            }
            content = .translated(file, translation)
        case .produced(let producer):
            work += Self.workOfOnePiece
            do throws(SystemError) { isExhausted = try !producer.produce(into: &buffer) } catch {
                end(.unreadable(error.description))
                return .bytes(0)
            }
        }
        return buffer.count <= held ? .bytes(0) : sendBuffered(budget)
    }

    private func exhaust() -> ByteStream.Outcome {
        isExhausted = true
        return .bytes(0)
    }

    private func sendBuffered(_ budget: Int) -> ByteStream.Outcome {
        let outcome = buffer.withUnsafeBytes {
            stream.write(UnsafeRawBufferPointer(rebasing: $0[bufferStart..<($0.count - held)].prefix(budget)))
        }
        if case .bytes(let count) = outcome { bufferStart += count }
        return outcome
    }

    private func sendFile(_ file: OpenFile, _ range: Range<UInt64>, _ budget: Int) -> ByteStream.Outcome {
        let left = range.upperBound - position
        guard left > 0 else { return exhaust() }
        let wanted = Int(min(left - (settle == nil ? 0 : tail(range)), UInt64(budget)))
        guard stream.canSendFile else { return encryptFile(file, min(wanted, Self.chunk)) }
        let outcome = stream.send(file: file.descriptor, offset: position, count: wanted)
        if case .bytes(let count) = outcome {
            guard count > 0 else {
                end(.unreadable("the file is shorter than it was"))
                return .bytes(0)
            }
            position += UInt64(count)
            isExhausted = position == range.upperBound
        }
        return outcome
    }

    /// Through a buffer of the thread's: nothing is kept for this transfer unless the socket is full.
    private func encryptFile(_ file: OpenFile, _ wanted: Int) -> ByteStream.Outcome {
        withUnsafeTemporaryAllocation(byteCount: wanted, alignment: 16) { space in
            let count: Int
            do throws(SystemError) { count = try file.descriptor.read(into: space, at: Int(position)) } catch {
                end(.unreadable(error.description))
                return .bytes(0)
            }
            guard count > 0 else {
                end(.unreadable("the file is shorter than it was"))
                return .bytes(0)
            }
            var sent = 0
            while sent < count {
                let outcome = stream.write(UnsafeRawBufferPointer(rebasing: space[sent..<count]))
                guard case .bytes(let more) = outcome else {
                    if sent == 0 { return outcome }
                    break
                }
                sent += more
            }
            position += UInt64(sent)
            if case .file(_, let range) = content { isExhausted = position == range.upperBound }
            return .bytes(sent)
        }
    }
}

/// A file opened for reading, shared by whoever still needs it.
package final class OpenFile: Sendable {
    package let descriptor: Descriptor
    package let size: UInt64
    /// Last change, whole seconds.
    package let modified: Int64
    package let permissions: UInt32

    package init(_ descriptor: consuming Descriptor, _ status: FileStatus) {
        self.descriptor = descriptor
        size = UInt64(max(0, status.size))
        modified = status.modified / 1_000_000_000
        permissions = status.permissions
    }
}

/// Makes data piece by piece.
package protocol ChunkProducer: AnyObject {
    /// Appends the next piece, some 64 KiB at most; false when it was the last. Throws when what is missing must not
    /// look like the end.
    func produce(into buffer: inout [UInt8]) throws(SystemError) -> Bool
}
