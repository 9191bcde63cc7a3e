import HTTPDownload
import NIOCore
import NIOHPACK
import NIOHTTP2

/// One connection of HTTP/2 (RFC 9113) above `NIOHTTP2Handler`, which keeps its rules, windows and header tables: one
/// ``Exchange`` a stream, and no channel of its own for each. What several streams have to say in one turn of the loop
/// goes out together.
final class HTTP2Handler: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    private let desk: DownloadDesk
    private let connection: HTTPSConnection
    fileprivate private(set) var streams: [HTTP2StreamID: Stream] = [:]
    fileprivate var context: ChannelHandlerContext?
    fileprivate let channel: any NIOCore.Channel
    private var isReading = false
    private var isDirty = false
    private var saidGoodbye = false

    private static let longestContent = 65_536
    /// Streams that a client may have open at once.
    static let mostStreams = 100

    init(desk: DownloadDesk, connection: HTTPSConnection, channel: any NIOCore.Channel) {
        self.desk = desk
        self.connection = connection
        self.channel = channel
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        // Told to end by the desk, or by too many wrong passwords.
        connection.sayGoodbye = { [weak self] in self?.goodbye() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        connection.sayGoodbye = nil
    }

    // MARK: Frames

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        let frame = unwrapInboundIn(data)
        switch frame.payload {
        case .headers(let headers): take(headers, frame.streamID)
        case .data(let data): take(data, frame.streamID, context)
        default: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        if isDirty {
            isDirty = false
            context.flush()
        }
        context.fireChannelReadComplete()
    }

    private func take(_ headers: HTTP2Frame.FramePayload.Headers, _ id: HTTP2StreamID) {
        if let stream = streams[id] {
            // Trailers.
            if headers.endStream { stream.answer() }
            return
        }
        let stream = Stream(id, Self.request(headers.headers), self, desk, connection)
        streams[id] = stream
        if headers.endStream { stream.answer() }
    }

    private func take(
        _ data: HTTP2Frame.FramePayload.Data, _ id: HTTP2StreamID, _ context: ChannelHandlerContext
    ) {
        let count = data.data.readableBytes + (data.paddingBytes.map { $0 + 1 } ?? 0)
        if count > 0 { write(.rootStream, .windowUpdate(windowSizeIncrement: count), nil) }
        guard let stream = streams[id] else { return }
        stream.contentBytes += data.data.readableBytes
        if stream.contentBytes > Self.longestContent {
            stream.answer(refusal: .contentTooLarge)
        } else if data.endStream {
            stream.answer()
        } else if count > 0 {
            write(id, .windowUpdate(windowSizeIncrement: count), nil)
        }
    }

    /// NIOHTTP2 has checked the pseudo fields and that names are in lower case.
    private static func request(_ headers: HPACKHeaders) -> DownloadRequest {
        let method = headers.first(name: ":method") ?? ""
        let path = headers.first(name: ":path") ?? ""
        var request = DownloadRequest(method: method.utf8, target: Array(path.utf8))
        let authority = headers.first(name: ":authority")
        for (given, value, _) in headers {
            var name = given == ":authority" ? "host" : given
            // A Host field that repeats the authority says nothing new (RFC 9113 §8.3.1).
            if given == "host", value == authority, request.hasHost { continue }
            name.withUTF8 { request.add($0, Array(value.utf8)) }
        }
        return request
    }

    // MARK: Events

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let closed = event as? StreamClosedEvent,
            let stream = streams.removeValue(forKey: closed.streamID)
        {
            // One that ended in order may still have bytes on their way.
            if closed.reason != nil { stream.exchange.vanished() }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { for stream in Array(streams.values) { stream.exchange.goOn() } }
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        for stream in Array(streams.values) { stream.exchange.vanished() }
        streams = [:]
        context.fireChannelInactive()
    }

    /// The client broke the rules, and NIOHTTP2 has told it so (GOAWAY, ENHANCE_YOUR_CALM among the reasons, or
    /// RST_STREAM): nothing more is to be expected of it.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { connection.endSoon() }

    /// No more streams, please; the connection ends with the last one.
    private func goodbye() {
        guard !saidGoodbye else { return }
        saidGoodbye = true
        write(.rootStream, .goAway(lastStreamID: .maxID, errorCode: .noError, opaqueData: nil), nil)
        flush()
    }

    // MARK: Writing

    fileprivate func write(
        _ id: HTTP2StreamID, _ payload: HTTP2Frame.FramePayload, _ promise: EventLoopPromise<Void>?
    ) {
        guard let context else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        isDirty = true
        context.write(wrapOutboundOut(HTTP2Frame(streamID: id, payload: payload)), promise: promise)
    }

    fileprivate func flush() {
        guard !isReading, isDirty else { return }
        isDirty = false
        context?.flush()
    }

    /// Beginning of all answers with status 200, for the header table of the connection.
    fileprivate static let found: HPACKHeaders = start(200)

    fileprivate static func start(_ status: Int) -> HPACKHeaders {
        var headers = HPACKHeaders()
        headers.reserveCapacity(20)
        headers.add(name: ":status", value: "\(status)")
        for (name, value) in DownloadDesk.constantFields { headers.add(name: name, value: value) }
        return headers
    }

    fileprivate static func headers(_ answer: AnswerHead, date: String) -> HPACKHeaders {
        var headers = answer.status == 200 ? found : start(answer.status)
        headers.add(name: "date", value: date, indexing: .nonIndexable)
        for (name, value) in answer.fields {
            switch name {
            // Those that differ from file to file would only push the others out of the table.
            case "etag", "repr-digest", "content-length", "content-disposition", "content-range":
                headers.add(name: name, value: value, indexing: .nonIndexable)
            default: headers.add(name: name, value: value)
            }
        }
        return headers
    }

    fileprivate var date: String { desk.date }
}

/// One request and its answer.
private final class Stream {
    let id: HTTP2StreamID
    let handler: HTTP2Handler
    private let connection: HTTPSConnection
    private let desk: DownloadDesk
    private let request: DownloadRequest
    private var isAnswered = false
    var contentBytes = 0
    private var head: HPACKHeaders?
    private(set) lazy var exchange = Exchange(desk: desk, connection: connection, wire: self)

    init(
        _ id: HTTP2StreamID, _ request: DownloadRequest, _ handler: HTTP2Handler, _ desk: DownloadDesk,
        _ connection: HTTPSConnection
    ) {
        self.id = id
        self.request = request
        self.handler = handler
        self.desk = desk
        self.connection = connection
    }

    func answer(refusal: RequestReader.Refusal? = nil) {
        guard !isAnswered else { return }
        isAnswered = true
        if let refusal { exchange.refuse(refusal) } else { exchange.answer(request) }
    }
}

extension Stream: AnswerWire {
    var loop: any AnswerLoop { desk.loop }
    var isWritable: Bool { handler.channel.isWritable }
    /// The windows of HTTP/2 see to it.
    var isPausing: Bool { false }

    func begin(_ answer: AnswerHead) { head = HTTP2Handler.headers(answer, date: handler.date) }

    func buffer(_ capacity: Int) -> ByteBuffer {
        handler.channel.allocator.buffer(capacity: capacity)
    }
    func giveBack(_ buffer: ByteBuffer) {}

    func send(_ buffer: ByteBuffer, isLast: Bool, _ sent: @escaping (Bool) -> Void) {
        let channelLoop = handler.channel.eventLoop
        let promise = channelLoop.makePromise(of: Void.self)
        // `self` until then: the exchange refers to it.
        let bound = NIOLoopBound((self, sent), eventLoop: channelLoop)
        promise.futureResult.whenComplete { result in
            let (me, sent) = bound.value
            if case .success = result { sent(true) } else { sent(false) }
            if isLast { me.connection.answered(isDraining: me.desk.isDraining) }
        }
        let isEmpty = buffer.readableBytes == 0
        if let head = head.take() {
            let end = isLast && isEmpty
            handler.write(id, .headers(.init(headers: head, endStream: end)), end ? promise : nil)
            if end { return handler.flush() }
        }
        handler.write(id, .data(.init(data: .byteBuffer(buffer), endStream: isLast)), promise)
        handler.flush()
    }

    func breakOff() {
        // Later: whether it was the client who ended the stream is known then.
        desk.loop.soon { [self] in
            guard handler.streams[id] != nil else { return }
            handler.write(id, .rstStream(.internalError), nil)
            handler.flush()
        }
    }
}
