import FFSModel
import FTPProtocol
import HTTPDownload
import Logging
import SystemSupport

/// What is answered to a request: files, directories, refusals.
extension Exchange {
    func reply(to request: DownloadRequest) {
        if let refusal = connection.refusal { return turnAway(refusal, request) }
        guard request.hasOneHost else {
            endAfterThis()
            return refuse(400, request)
        }
        guard request.method != .other else {
            return refuse(405, request, [("allow", "GET, HEAD")])
        }
        if request.target.elementsEqual(DirectoryPage.stylePath.utf8) { return sendStyle(request) }
        let target: Target
        do { target = try Target(request.target) } catch {
            if error == .malformed { endAfterThis() }
            return refuse(error == .malformed ? 400 : 404, request)
        }
        if desk.recorder?.isRefusing == true { return refuseUnrecorded(request) }
        guard let account = signIn(request, target) else { return }
        do {
            if let recent = desk.recent.file(target.path, of: account, now: desk.time),
                !target.isDirectory
            {
                return send(recent, target, account, request)
            }
            let file = try account.tree.openFile(target.path)
            guard !target.isDirectory else { return refuse(404, request) }
            sendFile(file, target, account, request)
        } catch {
            switch error.errno {
            case .isDirectory: sendDirectory(target, account, request)
            case .noEntry, .notDirectory, .nameTooLong, .symbolicLink, .crossDevice: refuse(404, request)
            default:
                var metadata = connection.metadata(account.id)
                metadata["path"] = "\(printable(target.path.bytes))"
                metadata["cause"] = "\(error)"
                desk.log.logger.error("cannot open a staged file", metadata: metadata)
                refuse(500, request)
            }
        }
    }

    // MARK: Content

    private func sendFile(
        _ file: OpenFile, _ target: Target, _ account: Account, _ request: DownloadRequest
    ) {
        let name = Array(target.path.name)
        let facts = FileFacts(
            name: name, size: Int(file.size), modified: Timestamp(seconds: file.modified),
            digest: account.digest(of: target.path), mediaType: MediaType.of(name[...]))
        if let recent = RecentFile(file, facts) {
            desk.recent.keep(recent, target.path, of: account, now: desk.time)
            return send(recent, target, account, request)
        }
        let answer = FileAnswer(to: request.conditions, of: facts, boundary: Self.boundary())
        send(answer, facts, BodyPump.Source(file: file, pieces: []), target, account, request)
    }

    private func send(
        _ file: RecentFile, _ target: Target, _ account: Account, _ request: DownloadRequest
    ) {
        let isPlain = request.conditions.isEmpty
        let answer =
            isPlain
            ? file.answer : FileAnswer(to: request.conditions, of: file.facts, boundary: Self.boundary())
        send(
            answer, file.facts, BodyPump.Source(content: file.content, pieces: []), target, account,
            request,
            unconditional: isPlain ? file : nil)
    }

    private func send(
        _ answer: FileAnswer, _ facts: FileFacts, _ source: BodyPump.Source, _ target: Target,
        _ account: Account,
        _ request: DownloadRequest, unconditional file: RecentFile? = nil
    ) {
        var response = Response(
            status: answer.status, fields: file?.fields ?? answer.fields, fieldText: file?.fieldText)
        if let field = Self.cookieField(target, now: desk.time) {
            response.fields.append(field)
            response.fieldText = nil
        }
        let ranges = answer.ranges
        if request.method == .get, !ranges.isEmpty {
            response.body = source
            response.body.pieces = answer.body.map(BodyPump.Piece.init)
            response.download = Download(
                account: account, path: target.path, ranges: ranges, size: facts.size,
                digest: facts.digest)
        }
        serve(response, account, request)
    }

    private static func boundary() -> String {
        var generator = SystemRandomNumberGenerator()
        return Hex.string((0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }

    private func sendDirectory(_ target: Target, _ account: Account, _ request: DownloadRequest) {
        let path = String(decoding: request.path, as: UTF8.self)
        guard target.isDirectory else { return redirect(301, path + "/", target, request) }
        // Out of a browser's address bar and history; the cookie takes its place.
        if target.link != nil, request.wantsPage { return redirect(303, path, target, request) }
        let json = target.wantsJSON || request.prefersJSON
        let lister: DirectoryLister
        do {
            lister = try DirectoryLister(target.path, in: account.tree, asJSON: json, desk.listings)
        } catch {
            return refuse(404, request)
        }
        var response = Response(
            status: 200,
            fields: [
                ("content-type", json ? "application/json" : "text/html; charset=utf-8"),
                ("cache-control", "no-store"),
                ("content-security-policy", DirectoryPage.contentSecurityPolicy),
                ("vary", "accept"),
            ])
        if let field = Self.cookieField(target, now: desk.time) { response.fields.append(field) }
        if request.method == .get {
            if let page = lister.kept {
                response.fields.append(("content-length", "\(page.count)"))
                response.body = BodyPump.Source(pieces: [.bytes(page[...])])
            } else {
                response.isOpenEnded = true
                response.body = BodyPump.Source(pieces: [.listing(lister)])
            }
        }
        serve(response, account, request)
    }

    /// Begins an answer that counts for `account`, if it may have one more.
    private func serve(_ response: Response, _ account: Account, _ request: DownloadRequest) {
        guard connection.mayServe(account, desk.settings.limits) else {
            desk.ledger.count(.account)
            var metadata = connection.metadata(account.id)
            metadata["limit"] = "\(SessionLimits.Refusal.account)"
            desk.log.logger.notice("download refused", metadata: metadata)
            return turnAway(.account, request)
        }
        var response = response
        response.account = account
        begin(response)
    }

    /// `query`: only what says how to list; a link becomes a cookie.
    private func redirect(_ status: Int, _ path: String, _ target: Target, _ request: DownloadRequest) {
        let field = Self.cookieField(target, now: desk.time)
        // Without cookies the link must go along, or the way ends here.
        let words = [
            target.wantsJSON ? "format=json" : nil,
            status == 301 ? target.link.map { "link=\(String(decoding: $0, as: UTF8.self))" } : nil,
        ].compactMap(\.self)
        let query = words.isEmpty ? "" : "?" + words.joined(separator: "&")
        refuse(status, request, [("location", path + query)] + (field.map { [$0] } ?? []))
    }

    private func sendStyle(_ request: DownloadRequest) {
        let body = Array(DirectoryPage.style.utf8)
        let fields = [
            ("content-type", "text/css; charset=utf-8"), ("content-length", "\(body.count)"),
            ("cache-control", "public, max-age=86400"),
        ]
        let pieces: [BodyPump.Piece] = request.method == .head ? [] : [.bytes(body[...])]
        begin(Response(status: 200, fields: fields, body: .init(pieces: pieces)))
    }

    // MARK: Refusals

    /// A limit is reached: 429 for the client's own, 503 for the server's, with the time to try again.
    private func turnAway(_ refusal: SessionLimits.Refusal, _ request: DownloadRequest) {
        let (status, sentence) =
            switch refusal {
            case .account: (429, "Too many downloads of this account at once; wait for one to end.")
            case .address: (429, "Too many connections from your address; close some or try later.")
            case .server: (503, "The server is full; please try again in half a minute.")
            case .draining: (503, "The server is about to be serviced; please try again soon.")
            }
        refuse(status, request, [("retry-after", "30")], sentence: sentence)
    }

    /// Nothing begins that could not be recorded.
    func refuseUnrecorded(_ request: DownloadRequest) {
        refuse(
            503, request, [("retry-after", "30")],
            sentence: "Nothing can be recorded here at present, so nothing is sent; please try again later.")
    }

    /// Any answer that is one short sentence: a page where a browser asks.
    func refuse(
        _ status: Int, _ request: DownloadRequest, _ fields: [(String, String)] = [],
        sentence: String? = nil
    ) {
        let (title, usual) = Self.words(status)
        let text = sentence ?? usual
        let isPage = request.wantsPage
        let body = isPage ? DirectoryPage.notice(title, text) : Array("\(text)\n".utf8)
        let all =
            fields + [
                ("content-type", isPage ? "text/html; charset=utf-8" : "text/plain; charset=utf-8"),
                ("content-length", "\(body.count)"), ("cache-control", "no-store"),
                ("content-security-policy", DirectoryPage.contentSecurityPolicy), ("vary", "accept"),
            ]
        let pieces: [BodyPump.Piece] = request.method == .head ? [] : [.bytes(body[...])]
        begin(Response(status: status, fields: all, body: .init(pieces: pieces)))
    }

    /// Title and sentence of a page.
    private static func words(_ status: Int) -> (String, String) {
        switch status {
        case 301: ("Moved Permanently", "It is at another address.")
        case 303: ("See Other", "It is at another address.")
        case 400:
            (
                "Bad Request",
                "The request is malformed; copy the address again from the page that gave it."
            )
        case 401:
            (
                "Unauthorized",
                "Sign in with the account and password that your page shows. They may have expired: stage again for new ones."
            )
        case 403: ("Link ended", "This link has ended. Open the account's page again for a fresh one.")
        case 404: ("Not Found", "There is no such file in this account.")
        case 405:
            ("Method Not Allowed", "Files can be fetched (GET) and looked at (HEAD), nothing else.")
        case 413: ("Content Too Large", "This server takes no uploads.")
        case 429: ("Too Many Requests", "Please try again later.")
        case 431:
            (
                "Request Header Fields Too Large",
                "The request has more header fields than this server takes."
            )
        case 503: ("Service Unavailable", "Please try again later.")
        default:
            (
                "Internal Server Error",
                "The file cannot be read now; the operator's log says why. Please try again later."
            )
        }
    }
}

extension BodyPump.Piece {
    fileprivate init(_ piece: FileAnswer.Piece) {
        self =
            switch piece {
            case .bytes(let bytes): .bytes(bytes[...])
            case .file(let range): .file(range)
            }
    }
}
