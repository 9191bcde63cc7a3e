import FFSModel
import FTPProtocol
import HTTPDownload
import Logging
import NIOCore
import NIOHTTP1
import SystemSupport
import TLSEngine

/// Answers the requests of one HTTP/1.1 connection, or the one request of an HTTP/2 stream. What it answers is in
/// `DownloadAnswers.swift`, whom it lets in in `DownloadSignIn.swift`.
///
///     idle ──head──▶ receiving ──end──▶ answering ──last byte taken──▶ idle, or closed
final class DownloadHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
        case idle
        /// The body is discarded; only its size counts.
        case receiving(HTTPRequestHead, bodyBytes: Int)
        /// nil while a refusal waits for its time.
        case answering(Answer?)
        case closed
    }

    private struct Answer {
        let pump: BodyPump
        /// Whose content it is; nil for what belongs to nobody.
        let account: Account?
        /// nil for what is not a file's content.
        let download: Download?
    }

    /// A file on its way, for logs and `ffsctl ftp who`.
    struct Download {
        let account: Account
        let path: VirtualPath
        /// The first byte of the file that is sent.
        let offset: Int
        let digest: ContentDigest?
        fileprivate(set) var pump: BodyPump?

        init(account: Account, path: VirtualPath, offset: Int, digest: ContentDigest?) {
            self.account = account
            self.path = path
            self.offset = offset
            self.digest = digest
        }

        var sent: Int { pump?.sent ?? 0 }
        var nanoseconds: Int64 { pump.map { (NIODeadline.now() - $0.started).nanoseconds } ?? 0 }
        /// Bytes a second since it began.
        var rate: Int { Int(Double(sent) * 1e9 / Double(max(1, nanoseconds))) }
    }

    /// An answer that is about to begin.
    struct Response {
        var status: HTTPResponseStatus
        var fields: [(String, String)]
        var body: BodyPump.Source = .init(file: nil, pieces: [])
        var account: Account?
        var download: Download?
    }

    let desk: DownloadDesk
    let connection: HTTPSConnection
    private let closesWhenDone: Bool
    private var state = State.idle
    var keepsAlive = true

    /// A request to a read-only server has no use for a body.
    private static let longestBody = 65_536

    /// - Parameter closesWhenDone: whether this handler decides on keep-alive (HTTP/1.1).
    init(desk: DownloadDesk, connection: HTTPSConnection, closesWhenDone: Bool) {
        self.desk = desk
        self.connection = connection
        self.closesWhenDone = closesWhenDone
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (unwrapInboundIn(data), state) {
        case (.head(let head), .idle):
            keepsAlive = head.isKeepAlive && !desk.isDraining && connection.refusal == nil
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
        if case .answering(let answer?) = state, context.channel.isWritable { answer.pump.go() }
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        if case .answering(let answer?) = state { answer.pump.end(isComplete: false) }
        state = .closed
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    /// The running one.
    var download: Download? { if case .answering(let answer?) = state { answer.download } else { nil } }

    /// Whether a refusal that waited for its time may still be sent.
    var isAwaitingAnswer: Bool { if case .answering(nil) = state { true } else { false } }

    // MARK: One answer

    func begin(_ response: Response, _ request: HTTPRequestHead, _ context: ChannelHandlerContext) {
        var headers = HTTPHeaders()
        for (name, value) in response.fields { headers.add(name: name, value: value) }
        headers.add(name: "server", value: "FFS")
        headers.add(name: "x-content-type-options", value: "nosniff")
        headers.add(name: "referrer-policy", value: "no-referrer")
        headers.add(name: "strict-transport-security", value: "max-age=31536000")
        if closesWhenDone, !keepsAlive { headers.add(name: "connection", value: "close") }
        let head = HTTPResponseHead(version: request.version, status: response.status, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        let pump = BodyPump(
            response.body, on: context, pool: desk.pool, rate: response.account.flatMap(connection.rate),
            ledger: desk.ledger
        ) { [self] _, isComplete in ended(isComplete, context) }
        var download = response.download
        download?.pump = pump
        connection.began(self)
        if download != nil { desk.ledger.count(.httpsTransfers) }
        state = .answering(Answer(pump: pump, account: response.account, download: download))
        pump.go()
    }

    /// The last byte was taken, or the client is gone.
    private func ended(_ isComplete: Bool, _ context: ChannelHandlerContext) {
        guard case .answering(let answer?) = state else { return }
        connection.ended(self)
        if let account = answer.account { connection.served(account) }
        if let download = answer.download { record(download, isComplete) }
        guard isComplete else {
            state = .closed
            return context.close(promise: nil)
        }
        state = .idle
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in
            let (me, context) = bound.value
            if me.closesWhenDone, !me.keepsAlive { context.close(promise: nil) }
            let isLast = me.connection.refusal != nil || me.desk.isDraining
            if isLast, !me.connection.isBusy { me.connection.channel.close(promise: nil) }
        }
    }

    /// One transfer for structured log, transfer log and metrics, alike to the byte.
    private func record(_ download: Download, _ isComplete: Bool) {
        let (bytes, elapsed) = (download.sent, download.nanoseconds)
        desk.ledger.count(.httpsTransfers, by: -1)
        desk.ledger.count(isComplete ? .httpsComplete : .httpsBroken)
        desk.log.record(
            TransferRecord(
                finished: desk.time, seconds: max(1, Int((elapsed + 500_000_000) / 1_000_000_000)),
                peer: connection.peer.address, bytes: UInt64(bytes), path: download.path.bytes, isASCII: false,
                account: Array(download.account.id.text.utf8), service: .https, isComplete: isComplete))
        desk.log.flush()
        guard desk.log.logger.logLevel <= .info else { return }
        var metadata = connection.metadata(download.account.id)
        metadata["path"] = "\(printable(download.path.bytes))"
        metadata["offset"] = "\(download.offset)"
        metadata["bytes"] = "\(bytes)"
        metadata["complete"] = "\(isComplete)"
        metadata["milliseconds"] = "\(elapsed / 1_000_000)"
        if let handshake = connection.handshake {
            metadata["tls"] = "\(handshake.version) \(handshake.cipher)"
            metadata["reused"] = "\(handshake.resumption != .none)"
        }
        if let digest = download.digest { metadata["sha256"] = "\(digest)" }
        desk.log.logger.info("transfer", metadata: metadata)
    }

    // MARK: The account's end

    /// Once a second while an answer runs: expiry and revocation by the account's policy.
    func checkAccount(now: Timestamp) {
        guard case .answering(let answer?) = state, let ending = answer.account?.ended else { return }
        keepsAlive = false
        switch ending {
        case .finish: break
        case .until(let moment): if now >= moment { connection.cut() }
        case .cut: connection.cut()
        }
    }
}
