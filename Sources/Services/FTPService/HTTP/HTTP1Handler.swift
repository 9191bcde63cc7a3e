import HTTPDownload
import NIOCore

/// One connection of HTTP/1.1: takes requests apart, has them answered one after the other, and writes the answers.
///
/// Our own codec and not NIOHTTP1's pipeline: an answer to a small file is one buffer, one TLS record and one write(2),
/// and what is malformed is refused by one strict grammar (``RequestReader``).
final class HTTP1Handler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let desk: DownloadDesk
    private let connection: HTTPSConnection
    private var reader = RequestReader()
    private lazy var exchange = Exchange(desk: desk, connection: connection, wire: self)
    private var context: ChannelHandlerContext?
    /// The head of the answer that has begun, until it is sent.
    private var head: ByteBuffer?
    private var isChunked = false
    private var keepsAlive = true
    /// An answer is under way.
    private var isAnswering = false
    /// No more requests are looked at.
    private var isOver = false
    private var isServing = false
    private var holdsRead = false

    /// Bytes of requests that may wait while an answer is under way.
    private static let mostWaiting = 65_536

    init(desk: DownloadDesk, connection: HTTPSConnection) {
        self.desk = desk
        self.connection = connection
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver else { return }
        unwrapInboundIn(data).withUnsafeReadableBytes { reader.append($0) }
        serve()
    }

    func read(context: ChannelHandlerContext) {
        if isAnswering, reader.waiting > Self.mostWaiting { holdsRead = true } else { context.read() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { exchange.goOn() }
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        isOver = true
        exchange.vanished()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { connection.cut() }

    /// Answers whole requests until one answer takes longer.
    private func serve() {
        guard !isServing else { return }
        isServing = true
        defer { isServing = false }
        while !isAnswering, !isOver {
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
}

extension HTTP1Handler: AnswerWire {
    var loop: any NIOCore.EventLoop { connection.channel.eventLoop }
    var isWritable: Bool { connection.channel.isWritable }

    func begin(_ answer: AnswerHead) {
        isChunked = answer.isOpenEnded && !exchange.isOld
        if exchange.endsConnection || (answer.isOpenEnded && exchange.isOld) { keepsAlive = false }
        var text = "HTTP/1.1 "
        text.reserveCapacity(1_024)
        text += StatusLine.text(answer.status)
        for (name, value) in answer.fields {
            text += name
            text += ": "
            text += value
            text += "\r\n"
        }
        if isChunked { text += "transfer-encoding: chunked\r\n" }
        text += desk.commonFields
        text += keepsAlive ? (exchange.isOld ? "connection: keep-alive\r\n\r\n" : "\r\n") : "connection: close\r\n\r\n"
        var head = connection.channel.allocator.buffer(capacity: text.utf8.count + (isChunked ? 0 : 2_048))
        head.writeString(text)
        self.head = head
    }

    func buffer(_ capacity: Int) -> ByteBuffer {
        guard !isChunked, let head = head.take() else {
            return connection.channel.allocator.buffer(capacity: capacity)
        }
        return head
    }

    func giveBack(_ buffer: ByteBuffer) { if buffer.readableBytes > 0 { head = buffer } }

    func send(_ buffer: ByteBuffer, isLast: Bool, _ sent: @escaping (Bool) -> Void) {
        guard let context else { return sent(false) }
        if let head = head.take() { context.write(wrapOutboundOut(head), promise: nil) }
        let promise = loop.makePromise(of: Void.self)
        let bound = NIOLoopBound((self, sent), eventLoop: loop)
        promise.futureResult.whenComplete { result in
            let (me, sent) = bound.value
            if case .success = result { sent(true) } else { sent(false) }
            if isLast { me.answered() }
        }
        context.writeAndFlush(wrapOutboundOut(isChunked ? chunk(buffer, isLast: isLast) : buffer), promise: promise)
    }

    /// RFC 9112 §7.1.
    private func chunk(_ buffer: ByteBuffer, isLast: Bool) -> ByteBuffer {
        var out = connection.channel.allocator.buffer(capacity: buffer.readableBytes + 32)
        if buffer.readableBytes > 0 {
            out.writeString("\(String(buffer.readableBytes, radix: 16))\r\n")
            out.writeImmutableBuffer(buffer)
            out.writeString("\r\n")
        }
        if isLast { out.writeString("0\r\n\r\n") }
        return out
    }

    /// The last byte was taken.
    private func answered() {
        guard isAnswering else { return }
        isAnswering = false
        if !keepsAlive || exchange.endsConnection {
            isOver = true
            connection.channel.close(promise: nil)
        }
        if holdsRead {
            holdsRead = false
            context?.read()
        }
        serve()
    }

    func breakOff() {
        isOver = true
        connection.cut()
    }
}

/// `200 OK` and CRLF.
enum StatusLine {
    static func text(_ status: Int) -> String {
        switch status {
        case 200: "200 OK\r\n"
        case 206: "206 Partial Content\r\n"
        case 301: "301 Moved Permanently\r\n"
        case 303: "303 See Other\r\n"
        case 304: "304 Not Modified\r\n"
        case 400: "400 Bad Request\r\n"
        case 401: "401 Unauthorized\r\n"
        case 403: "403 Forbidden\r\n"
        case 404: "404 Not Found\r\n"
        case 405: "405 Method Not Allowed\r\n"
        case 412: "412 Precondition Failed\r\n"
        case 413: "413 Content Too Large\r\n"
        case 416: "416 Range Not Satisfiable\r\n"
        case 429: "429 Too Many Requests\r\n"
        case 431: "431 Request Header Fields Too Large\r\n"
        case 503: "503 Service Unavailable\r\n"
        default: "500 Internal Server Error\r\n"
        }
    }
}
