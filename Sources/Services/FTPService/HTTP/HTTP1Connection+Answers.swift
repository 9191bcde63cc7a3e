import HTTPDownload
import NIOCore
import SystemSupport
import TLSEngine

/// How an HTTP/1.1 connection sends its answers, and how it ends.
extension HTTP1Connection {
    /// A longer body's records go to the socket several at a time.
    private static let longBody = 65_536
    private static let gathered = 262_144
    private static let largestSpare = 16_384

    func write() {
        guard !isWriting else { return }
        isWriting = true
        defer { isWriting = false }
        while life == .serving || life == .closing, !queue.isEmpty {
            guard let outcome = writeFirst() else {
                let done = queue.removeFirst()
                if done.buffer.capacity <= Self.largestSpare { spare = done.buffer }
                done.sent(true)
                if done.isLast { answered() }
                continue
            }
            switch outcome {
            case .bytes: continue
            case .wantsInput, .wantsOutput: return update()
            case .end, .failed: return destroy()
            }
        }
    }

    /// nil: the socket has all of it.
    private func writeFirst() -> ByteStream.Outcome? {
        if queue[0].buffer.readableBytes > 0 {
            let outcome = queue[0].buffer.withUnsafeReadableBytes { stream.write($0) }
            guard case .bytes(let count) = outcome else { return outcome }
            taken += count
            queue[0].buffer.moveReaderIndex(forwardBy: count)
            if queue[0].buffer.readableBytes > 0 { return outcome }
        }
        let outcome = stream.flush()
        if case .bytes = outcome { return nil }
        return outcome
    }
}

extension HTTP1Connection: AnswerWire {
    var loop: any AnswerLoop { desk.loop }
    var isWritable: Bool { queue.isEmpty }
    var isPausing: Bool { taken >= Self.slice }

    func begin(_ answer: AnswerHead) {
        isChunked = answer.isOpenEnded && !exchange.isOld
        if exchange.endsConnection || sawEnd || (answer.isOpenEnded && exchange.isOld) {
            keepsAlive = false
        }
        var head = spare.take() ?? ByteBufferAllocator().buffer(capacity: 6_144)
        head.clear()
        head.writeString("HTTP/1.1 ")
        head.writeString(StatusLine.text(answer.status))
        if let text = answer.fieldText {
            head.writeBytes(text)
        } else {
            for (name, value) in answer.fields {
                head.writeString(name)
                head.writeString(": ")
                head.writeString(value)
                head.writeString("\r\n")
            }
        }
        if isChunked { head.writeString("transfer-encoding: chunked\r\n") }
        head.writeBytes(desk.commonFields)
        head.writeString(
            keepsAlive
                ? (exchange.isOld ? "connection: keep-alive\r\n\r\n" : "\r\n") : "connection: close\r\n\r\n"
        )
        self.head = head
    }

    func buffer(_ capacity: Int) -> ByteBuffer {
        if capacity > Self.longBody { stream.tls?.gatherRecords(bytes: Self.gathered) }
        guard !isChunked, let head = head.take() else {
            return ByteBufferAllocator().buffer(capacity: capacity)
        }
        return head
    }

    func giveBack(_ buffer: ByteBuffer) { if buffer.readableBytes > 0 { head = buffer } }

    func send(_ buffer: ByteBuffer, isLast: Bool, _ sent: @escaping (Bool) -> Void) {
        guard life == .serving || life == .closing else { return sent(false) }
        if let head = head.take() { queue.append(Outgoing(buffer: head, isLast: false) { _ in }) }
        queue.append(
            Outgoing(
                buffer: isChunked ? chunk(buffer, isLast: isLast) : buffer, isLast: isLast, sent: sent))
        write()
        update()
    }

    /// RFC 9112 §7.1.
    private func chunk(_ buffer: ByteBuffer, isLast: Bool) -> ByteBuffer {
        var out = ByteBufferAllocator().buffer(capacity: buffer.readableBytes + 32)
        if buffer.readableBytes > 0 {
            out.writeString("\(String(buffer.readableBytes, radix: 16))\r\n")
            out.writeImmutableBuffer(buffer)
            out.writeString("\r\n")
        }
        if isLast { out.writeString("0\r\n\r\n") }
        return out
    }

    func breakOff() {
        isOver = true
        connection.cut()
    }
}

extension HTTP1Connection: ConnectionEnd {
    /// Closes our side first, and the whole once the client has taken what was sent and closed its own: a socket that is
    /// closed while the client still talks is reset, and the client loses what it had not read yet (RFC 9112 §9.6).
    func close() {
        switch life {
        case .handshaking: destroy()
        case .serving:
            life = .closing
            polled.setDeadline(self, in: connection.isMisbehaving ? 1 : desk.settings.stallTimeout)
            if queue.isEmpty { finish() } else { polled.watch(self, .output) }
        case .closing, .lingering, .closed: break
        }
    }

    func finish() {
        switch stream.finish() {
        case .bytes:
            life = .lingering
            polled.watch(self, .input)
        case .wantsInput, .wantsOutput: polled.watch(self, .output)
        case .end, .failed: destroy()
        }
    }

    func discard() {
        switch stream.socket.receive(into: desk.readSpace) {
        case .bytes, .wouldBlock: break
        case .end, .failed: destroy()
        }
    }

    func cut() { destroy() }

    func destroy() {
        guard life != .closed else { return }
        life = .closed
        polled.remove(self)
        if connection.protection == nil { desk.ledger.count(.httpsFailed) }
        exchangeMade?.vanished()
        queue = []
        desk.left(connection)
    }
}
