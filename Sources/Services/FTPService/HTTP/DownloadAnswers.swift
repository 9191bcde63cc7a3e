import FFSModel
import FTPProtocol
import Logging
import HTTPDownload
import NIOCore
import NIOHTTP1
import SystemSupport

/// What is answered to a request: files, directories, refusals.
extension DownloadHandler {
    func answer(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        if let refusal = connection.refusal { return turnAway(refusal, head, context) }
        guard head.method == .GET || head.method == .HEAD else {
            return refuse(.methodNotAllowed, head, context, [("allow", "GET, HEAD")])
        }
        if head.uri == DirectoryPage.stylePath { return sendStyle(head, context) }
        let target: Target
        do { target = try Target(Array(head.uri.utf8)) } catch {
            return refuse(error == .malformed ? .badRequest : .notFound, head, context)
        }
        guard let account = signIn(head, target, context) else { return }
        do {
            let file = try account.tree.openFile(target.path)
            guard !target.isDirectory else { return refuse(.notFound, head, context) }
            sendFile(file, target, account, head, context)
        } catch {
            switch error.errno {
            case .isDirectory: sendDirectory(target, account, head, context)
            case .noEntry, .notDirectory, .nameTooLong, .symbolicLink, .crossDevice: refuse(.notFound, head, context)
            default:
                var metadata = connection.metadata(account.id)
                metadata["path"] = "\(printable(target.path.bytes))"
                metadata["cause"] = "\(error)"
                desk.log.logger.error("cannot open a staged file", metadata: metadata)
                refuse(.internalServerError, head, context)
            }
        }
    }

    // MARK: Content

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
        var response = Response(status: HTTPResponseStatus(statusCode: answer.status), fields: answer.fields)
        if let field = Self.cookieField(target, now: desk.time) { response.fields.append(field) }
        let ranges = answer.body.compactMap { piece -> Range<Int>? in
            if case .file(let range) = piece { range } else { nil }
        }
        if head.method == .GET, let first = ranges.first {
            response.body = BodyPump.Source(file: file, pieces: answer.body.map(BodyPump.Piece.init))
            response.download = Download(
                account: account, path: target.path, offset: first.lowerBound, digest: facts.digest)
        }
        serve(response, account, head, context)
    }

    private func sendDirectory(
        _ target: Target, _ account: Account, _ head: HTTPRequestHead, _ context: ChannelHandlerContext
    ) {
        guard target.isDirectory else {
            return redirect(.movedPermanently, "\(head.uri.prefix { $0 != "?" })/", target, head, context)
        }
        let accept = head.headers.first(name: "accept") ?? ""
        // Out of a browser's address bar and history; the cookie takes its place.
        if target.link != nil, accept.contains("text/html") {
            return redirect(.seeOther, "\(head.uri.prefix { $0 != "?" })", target, head, context)
        }
        let json = target.wantsJSON || accept.hasPrefix("application/json")
        let lister: DirectoryLister
        do { lister = try DirectoryLister(target.path, account, asJSON: json) } catch {
            return refuse(.notFound, head, context)
        }
        var response = Response(
            status: .ok,
            fields: [
                ("content-type", json ? "application/json" : "text/html; charset=utf-8"),
                ("cache-control", "no-store"), ("content-security-policy", DirectoryPage.contentSecurityPolicy),
                ("vary", "accept"),
            ])
        if let field = Self.cookieField(target, now: desk.time) { response.fields.append(field) }
        if head.method == .GET { response.body = BodyPump.Source(file: nil, pieces: [.listing(lister)]) }
        serve(response, account, head, context)
    }

    /// Begins an answer that counts for `account`, if it may have one more.
    private func serve(
        _ response: Response, _ account: Account, _ head: HTTPRequestHead, _ context: ChannelHandlerContext
    ) {
        guard connection.mayServe(account, desk.settings.limits) else {
            desk.ledger.count(.account)
            var metadata = connection.metadata(account.id)
            metadata["limit"] = "\(SessionLimits.Refusal.account)"
            desk.log.logger.notice("download refused", metadata: metadata)
            return turnAway(.account, head, context)
        }
        var response = response
        response.account = account
        begin(response, head, context)
    }

    /// `query`: only what says how to list; a link becomes a cookie.
    private func redirect(
        _ status: HTTPResponseStatus, _ path: String, _ target: Target, _ head: HTTPRequestHead,
        _ context: ChannelHandlerContext
    ) {
        let field = Self.cookieField(target, now: desk.time)
        // Without cookies the link must go along, or the way ends here.
        let words = [
            target.wantsJSON ? "format=json" : nil,
            status == .movedPermanently
                ? target.link.map { "link=\(String(decoding: $0, as: UTF8.self))" } : nil,
        ].compactMap(\.self)
        let query = words.isEmpty ? "" : "?" + words.joined(separator: "&")
        refuse(status, head, context, [("location", path + query)] + (field.map { [$0] } ?? []))
    }

    private func sendStyle(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let body = Array(DirectoryPage.style.utf8)
        let fields = [
            ("content-type", "text/css; charset=utf-8"), ("content-length", "\(body.count)"),
            ("cache-control", "public, max-age=86400"),
        ]
        let pieces: [BodyPump.Piece] = head.method == .HEAD ? [] : [.bytes(body)]
        begin(Response(status: .ok, fields: fields, body: .init(file: nil, pieces: pieces)), head, context)
    }

    // MARK: Refusals

    /// A limit is reached: 429 for the client's own, 503 for the server's, with the time to try again.
    private func turnAway(
        _ refusal: SessionLimits.Refusal, _ head: HTTPRequestHead, _ context: ChannelHandlerContext
    ) {
        let (status, sentence): (HTTPResponseStatus, String) =
            switch refusal {
            case .account:
                (.tooManyRequests, "Too many downloads of this account at once; wait for one to end.")
            case .address: (.tooManyRequests, "Too many connections from your address; close some or try later.")
            case .server: (.serviceUnavailable, "The server is full; please try again in half a minute.")
            case .draining: (.serviceUnavailable, "The server is about to be serviced; please try again soon.")
            }
        refuse(status, head, context, [("retry-after", "30")], sentence: sentence)
    }

    /// Any answer that is one short sentence: a page where a browser asks.
    func refuse(
        _ status: HTTPResponseStatus, _ head: HTTPRequestHead, _ context: ChannelHandlerContext,
        _ fields: [(String, String)] = [], sentence: String? = nil
    ) {
        if status == .payloadTooLarge || status == .badRequest { keepsAlive = false }
        let text = sentence ?? Self.sentences[status.code] ?? "\(status.reasonPhrase)."
        let isPage = head.headers.first(name: "accept")?.contains("text/html") == true
        let title = status == .forbidden ? "Link ended" : status.reasonPhrase
        let body = isPage ? DirectoryPage.notice(title, text) : Array("\(text)\n".utf8)
        let all =
            fields + [
                ("content-type", isPage ? "text/html; charset=utf-8" : "text/plain; charset=utf-8"),
                ("content-length", "\(body.count)"), ("cache-control", "no-store"),
                ("content-security-policy", DirectoryPage.contentSecurityPolicy), ("vary", "accept"),
            ]
        let pieces: [BodyPump.Piece] = head.method == .HEAD ? [] : [.bytes(body)]
        begin(Response(status: status, fields: all, body: .init(file: nil, pieces: pieces)), head, context)
    }

    private static let sentences: [UInt: String] = [
        400: "The address is malformed; copy it again from the page that gave it.",
        401:
            "Sign in with the account and password that your page shows. They may have expired: stage again for new ones.",
        403: "This link has ended. Open the account's page again for a fresh one.",
        404: "There is no such file in this account.",
        405: "Files can be fetched (GET) and looked at (HEAD), nothing else.",
        413: "This server takes no uploads.",
        500: "The file cannot be read now; the operator's log says why. Please try again later.",
    ]
}

extension BodyPump.Piece {
    fileprivate init(_ piece: FileAnswer.Piece) {
        self =
            switch piece {
            case .bytes(let bytes): .bytes(bytes)
            case .file(let range): .file(range)
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
