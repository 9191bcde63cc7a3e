import FFSModel
import FTPProtocol
import HTTPDownload
import Logging
import NIOCore
import NIOHTTP1
import SystemSupport
import TLSEngine

/// Answers the requests of one HTTP/1.1 connection, or the one request of an HTTP/2 stream.
///
///     idle ──head──▶ receiving ──end──▶ answering ──last byte taken──▶ idle, or closed
final class DownloadHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
        case idle
        /// The body is discarded; only its size counts.
        case receiving(HTTPRequestHead, bodyBytes: Int)
        case answering(BodyPump?)
        case closed
    }

    let desk: DownloadDesk
    let connection: any NIOCore.Channel
    private let handshake: TLSHandshakeCompleted
    private let closesWhenDone: Bool
    private var state = State.idle
    private var account: Account?
    private var failures = 0
    private var keepsAlive = true

    /// A request to a read-only server has no use for a body.
    private static let longestBody = 65_536
    /// After so many wrong passwords a connection is closed.
    private static let mostFailures = 5

    /// - Parameters:
    ///   - connection: the TCP connection, which is this channel's parent in HTTP/2.
    ///   - closesWhenDone: whether this handler decides on keep-alive (HTTP/1.1).
    init(desk: DownloadDesk, connection: any NIOCore.Channel, handshake: TLSHandshakeCompleted, closesWhenDone: Bool) {
        self.desk = desk
        self.connection = connection
        self.handshake = handshake
        self.closesWhenDone = closesWhenDone
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (unwrapInboundIn(data), state) {
        case (.head(let head), .idle):
            keepsAlive = head.isKeepAlive && !desk.isDraining
            state = .receiving(head, bodyBytes: 0)
        case (.body(let part), .receiving(let head, let bytes)):
            state = .receiving(head, bodyBytes: bytes + part.readableBytes)
            if bytes + part.readableBytes > Self.longestBody { refuse(.payloadTooLarge, head, context) }
        case (.end, .receiving(let head, _)):
            state = .answering(nil)
            answer(head, context)
        default: break
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if case .answering(let pump?) = state, context.channel.isWritable { pump.go() }
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        if case .answering(let pump?) = state { pump.end(isComplete: false) }
        state = .closed
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    // MARK: Requests

    private func answer(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        guard head.method == .GET || head.method == .HEAD else {
            return refuse(.methodNotAllowed, head, context, [("allow", "GET, HEAD")])
        }
        if head.uri == DirectoryPage.stylePath { return sendStyle(head, context) }
        let target: Target
        do { target = try Target(Array(head.uri.utf8)) } catch {
            return refuse(error == .malformed ? .badRequest : .notFound, head, context)
        }
        guard let account = signIn(head, target, context) else { return }
        guard account.sessions < desk.settings.sessionsPerAccount else {
            return refuse(.serviceUnavailable, head, context, [("retry-after", "30")])
        }
        do {
            let file = try account.tree.openFile(target.path)
            guard !target.isDirectory else { return refuse(.notFound, head, context) }
            sendFile(file, target, account, head, context)
        } catch {
            switch error.errno {
            case .isDirectory: sendDirectory(target, account, head, context)
            case .noEntry, .notDirectory, .nameTooLong, .symbolicLink, .crossDevice: refuse(.notFound, head, context)
            default:
                desk.log.logger.error(
                    "cannot open a staged file",
                    metadata: ["account": "\(account.id)", "path": "\(target.path)", "cause": "\(error)"])
                refuse(.internalServerError, head, context)
            }
        }
    }

    /// nil once a refusal is on its way. Every refusal looks and lasts the same.
    private func signIn(_ head: HTTPRequestHead, _ target: Target, _ context: ChannelHandlerContext) -> Account? {
        guard let field = head.headers.first(name: "authorization") else {
            challenge(head, context, after: .zero)
            return nil
        }
        let given = BasicCredentials(Array(field.utf8))
        if let given, given.user.elementsEqual(target.account.text.utf8) {
            switch desk.accounts.admit(name: given.user, password: given.password, now: desk.time) {
            case .admitted(let account):
                self.account = account
                return account
            case .refused(let reason): logRefusal(target, reason)
            }
        } else {
            logRefusal(target, "other account")
        }
        failures += 1
        if failures >= Self.mostFailures { keepsAlive = false }
        challenge(head, context, after: .milliseconds(500))
        return nil
    }

    private func logRefusal(_ target: Target, _ reason: String) {
        desk.log.logger.info(
            "login refused",
            metadata: [
                "service": "https", "account": "\(target.account)", "peer": "\(DownloadDesk.address(of: connection))",
                "reason": "\(reason)",
            ])
    }

    private func challenge(_ head: HTTPRequestHead, _ context: ChannelHandlerContext, after delay: TimeAmount) {
        let field = ("www-authenticate", "Basic realm=\"FFS account\", charset=\"UTF-8\"")
        guard delay > .zero else { return refuse(.unauthorized, head, context, [field]) }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: delay) {
            let (me, context) = bound.value
            if case .answering = me.state { me.refuse(.unauthorized, head, context, [field]) }
        }
    }

    // MARK: Answers

    private func sendFile(
        _ file: OpenFile, _ target: Target, _ account: Account, _ head: HTTPRequestHead,
        _ context: ChannelHandlerContext
    ) {
        let name = Array(target.path.name)
        let facts = FileFacts(
            name: name, size: Int(file.size), modified: Timestamp(seconds: file.modified),
            digest: account.digest(of: target.path), mediaType: MediaType.of(name[...]))
        var generator = SystemRandomNumberGenerator()
        let answer = FileAnswer(
            to: RequestConditions(head.headers), of: facts,
            boundary: Hex.string((0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) }))
        let pieces: [BodyPump.Piece] =
            answer.body.map { piece in
                switch piece {
                case .bytes(let bytes): .bytes(bytes)
                case .file(let range): .file(range)
                }
            }
        begin(
            HTTPResponseStatus(statusCode: answer.status), answer.fields, head,
            BodyPump.Source(file: file, pieces: head.method == .HEAD ? [] : pieces), target, account, context)
    }

    private func sendDirectory(
        _ target: Target, _ account: Account, _ head: HTTPRequestHead, _ context: ChannelHandlerContext
    ) {
        guard target.isDirectory else {
            let path = head.uri.prefix { $0 != "?" }
            let query = head.uri.dropFirst(path.count)
            return refuse(.movedPermanently, head, context, [("location", "\(path)/\(query)")])
        }
        let json = target.wantsJSON || (head.headers.first(name: "accept") ?? "").hasPrefix("application/json")
        let lister: DirectoryLister
        do { lister = try DirectoryLister(target.path, account, asJSON: json) } catch {
            return refuse(.notFound, head, context)
        }
        let fields = [
            ("content-type", json ? "application/json" : "text/html; charset=utf-8"), ("cache-control", "no-store"),
            ("content-security-policy", DirectoryPage.contentSecurityPolicy), ("vary", "accept"),
        ]
        let pieces: [BodyPump.Piece] = head.method == .HEAD ? [] : [.listing(lister)]
        begin(.ok, fields, head, BodyPump.Source(file: nil, pieces: pieces), nil, account, context)
    }

    private func sendStyle(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let body = Array(DirectoryPage.style.utf8)
        let fields = [
            ("content-type", "text/css; charset=utf-8"), ("content-length", "\(body.count)"),
            ("cache-control", "public, max-age=86400"),
        ]
        let pieces: [BodyPump.Piece] = head.method == .HEAD ? [] : [.bytes(body)]
        begin(.ok, fields, head, BodyPump.Source(file: nil, pieces: pieces), nil, nil, context)
    }

    /// Any answer that is one short sentence.
    private func refuse(
        _ status: HTTPResponseStatus, _ head: HTTPRequestHead, _ context: ChannelHandlerContext,
        _ fields: [(String, String)] = []
    ) {
        if status == .payloadTooLarge || status == .badRequest { keepsAlive = false }
        let body = Array((Self.sentences[status.code] ?? "\(status.reasonPhrase).").utf8) + [0x0A]
        let all =
            fields + [
                ("content-type", "text/plain; charset=utf-8"), ("content-length", "\(body.count)"),
                ("cache-control", "no-store"),
            ]
        let pieces: [BodyPump.Piece] = head.method == .HEAD ? [] : [.bytes(body)]
        begin(status, all, head, BodyPump.Source(file: nil, pieces: pieces), nil, nil, context)
    }

    private static let sentences: [UInt: String] = [
        400: "The address is malformed; copy it again from the page that gave it.",
        401:
            "Sign in with the account and password that your page shows. They may have expired: stage again for new ones.",
        404: "There is no such file in this account.",
        405: "Files can be fetched (GET) and looked at (HEAD), nothing else.",
        413: "This server takes no uploads.",
        500: "The file cannot be read now; the operator's log says why. Please try again later.",
        503: "Too many downloads of this account at once; wait for one to end.",
    ]

    private func begin(
        _ status: HTTPResponseStatus, _ fields: [(String, String)], _ request: HTTPRequestHead,
        _ source: BodyPump.Source, _ target: Target?, _ account: Account?, _ context: ChannelHandlerContext
    ) {
        var headers = HTTPHeaders()
        for (name, value) in fields { headers.add(name: name, value: value) }
        headers.add(name: "server", value: "FFS")
        headers.add(name: "x-content-type-options", value: "nosniff")
        headers.add(name: "strict-transport-security", value: "max-age=31536000")
        if closesWhenDone, !keepsAlive { headers.add(name: "connection", value: "close") }
        let head = HTTPResponseHead(version: request.version, status: status, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        desk.began(self, of: account)
        let pump = BodyPump(source, on: context, pool: desk.pool) { [self] sent, isComplete in
            ended(sent, isComplete, target, account, status, context)
        }
        state = .answering(pump)
        pump.go()
    }

    /// The last byte was taken, or the client is gone.
    private func ended(
        _ bytes: Int, _ isComplete: Bool, _ target: Target?, _ account: Account?, _ status: HTTPResponseStatus,
        _ context: ChannelHandlerContext
    ) {
        desk.ended(self, of: account)
        if let target, let account, status == .ok || status == .partialContent {
            log(bytes, isComplete, target, account)
        }
        guard isComplete else {
            state = .closed
            return context.close(promise: nil)
        }
        state = .idle
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in
            let (me, context) = bound.value
            if me.closesWhenDone, !me.keepsAlive { context.close(promise: nil) }
            if me.desk.isDraining, !me.desk.isBusy(me.connection) { me.connection.close(promise: nil) }
        }
    }

    private var started: NIODeadline { if case .answering(let pump?) = state { pump.started } else { .now() } }

    private func log(_ bytes: Int, _ isComplete: Bool, _ target: Target, _ account: Account) {
        let seconds = Int((NIODeadline.now() - started).nanoseconds / 1_000_000_000)
        desk.record(
            TransferRecord(
                finished: desk.time, seconds: max(1, seconds), peer: DownloadDesk.address(of: connection),
                bytes: UInt64(bytes), path: target.path.bytes, isASCII: false, account: Array(account.id.text.utf8),
                service: .https, isComplete: isComplete),
            trace: .random(), handshake: "\(handshake.version)/\(handshake.cipher)")
    }

    // MARK: The account's end

    /// Once a second while an answer runs: expiry and revocation by the account's policy.
    func checkAccount(now: Timestamp) {
        guard let account, let ending = account.ended else { return }
        keepsAlive = false
        switch ending {
        case .finish: break
        case .until(let moment): if now >= moment { connection.close(promise: nil) }
        case .cut: connection.close(promise: nil)
        }
    }
}

extension RequestConditions {
    init(_ headers: HTTPHeaders) {
        self.init()
        func field(_ name: String) -> [UInt8]? { headers.first(name: name).map { Array($0.utf8) } }
        range = field("range")
        ifRange = field("if-range")
        ifMatch = field("if-match")
        ifNoneMatch = field("if-none-match")
        ifModifiedSince = field("if-modified-since")
        ifUnmodifiedSince = field("if-unmodified-since")
    }
}
