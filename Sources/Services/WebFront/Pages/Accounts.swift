import Clients
import FFSModel
import Requests
import StoredFormats

/// The accounts a customer has, and the one just made.
extension WebFront {
    func accountList(_ visit: Visit, _ session: Session) async throws -> WebResponse {
        let after = visit.request.query["after"].flatMap(StageList.Place.init(cursor:))
        let (reply, next) = try await accounts(of: session, after: after, limit: Self.accountsOnAPage, visit: visit)
        let rows = reply.rows
        let now = clocks.now()
        var model: Model = [
            "empty": reply.count == 0, "count": Format.count(reply.count, "active account"),
            "paged": after != nil || next != nil,
            "accounts": rows.map { row -> Model in
                [
                    "account": row.account.text, "expiry": Self.expiry(row.expires, now: now),
                    "created": row.created.description, "created-text": Format.moment(row.created),
                    "first-items": row.items.prefix(3).map(Self.itemModel),
                    "more-items": row.items.count > 3 ? "and \(row.items.count - 3) more" : "",
                ]
            },
        ]
        model["next"] = next.map(Escaping.urlQuery)
        model["notice"] = sessions.takeNotice(for: visit.token).map(Self.sentence)
        return page("accounts", "Your accounts", model, for: visit)
    }

    private static var accountsOnAPage: Int { 50 }

    private static var endedOrder: String {
        "The account that you ordered from this page has ended. “Get downloads” now makes a new one of what is chosen. If you see this sentence again, your entitlements include no further order of it."
    }

    func createAccount(_ visit: Visit, _ session: Session) async throws -> WebResponse {
        let form = try visit.request.form()
        let keys = form.all("item")
        do {
            let account = try await stage(
                try Self.items(keys), lifetime: form["lifetime"].flatMap { Int($0) },
                // Another choice on a page that was gone back to is another wish.
                key: visit.request.query["key"].map { "\($0)\n\(form["lifetime"] ?? "")\n\(keys.sorted())" },
                for: session, visit: visit)
            sessions.keep(account, for: visit.token, at: clocks.steady())
            return .seeOther("/accounts/\(account.account)")
        } catch {
            switch error.code {
            case .badRequest:
                return try await cataloguePage(
                    visit, session, chosen: keys, problem: PublicError(error).advice, status: 422)
            case .gone:
                // The page was gone back to after its account had ended: it comes anew, and with it another key.
                return try await cataloguePage(
                    visit, session, chosen: keys, problem: Self.endedOrder, status: PublicError(error).status)
            default: throw error
            }
        }
    }

    func accountPage(_ visit: Visit, _ session: Session, _ id: AccountID) async throws -> WebResponse {
        let account: StagedAccount
        if let fresh = sessions.takeFresh(id, for: visit.token, at: clocks.steady()) {
            account = fresh
        } else {
            account = try await ownAccount(id, of: session, visit: visit)
        }
        // Looked at, not merely guessed at: a browser that fetches ahead, or a HEAD, does not use the password up.
        let isSeen = visit.request.method == .get && visit.request.headers["sec-purpose"] == nil
        let password = isSeen ? sessions.takePassword(of: id, for: visit.token) : nil
        var model = accountModel(account, password: password)
        model["notice"] = sessions.takeNotice(for: visit.token).map(Self.sentence)
        return page("account", "Account \(id)", model, for: visit)
    }

    func extendAccount(_ visit: Visit, _ session: Session, _ id: AccountID) async throws -> WebResponse {
        let lifetime = try visit.request.form()["lifetime"].flatMap { Int($0) }
        let account = try await extend(id, lifetime: lifetime, of: session, visit: visit)
        sessions.keep(account, for: visit.token, at: clocks.steady())
        sessions.leave(.accountExtended(id), for: visit.token)
        return .seeOther("/accounts/\(id)")
    }

    func revokeAccount(_ visit: Visit, _ session: Session, _ id: AccountID) async throws -> WebResponse {
        try await revoke(id, of: session, visit: visit)
        _ = sessions.takeFresh(id, for: visit.token, at: clocks.steady())
        sessions.leave(.accountRevoked(id), for: visit.token)
        return .seeOther("/accounts")
    }

    /// The checksums by another way than the files themselves: over the web front's TLS.
    func checksums(_ visit: Visit, _ session: Session, _ id: AccountID) async throws -> WebResponse {
        let account = try await ownAccount(id, of: session, visit: visit)
        guard account.files.count == account.fileCount else {
            throw Failure(.notFound, "only accounts of up to \(StagedAccount.listedFiles) files have this page")
        }
        var body: [UInt8] = []
        for file in account.files { ChecksumFile.appendLine(file.digest, path: file.path.bytes, to: &body) }
        return WebResponse(type: "text/plain; charset=utf-8", body: body)
            .setting("content-disposition", "attachment; filename=\"SHA256SUMS\"")
    }

    /// The download server's certificate for tools that must be told to trust it.
    func certificate(_ visit: Visit, _ session: Session, _ id: AccountID) async throws -> WebResponse {
        guard let pem = try await ownAccount(id, of: session, visit: visit).certificate else {
            throw Failure(
                .notFound, "tools trust the download server unasked, or ffsstaged cannot read ftp.certificate")
        }
        return WebResponse(type: "application/x-pem-file", body: Array(pem.utf8))
            .setting("content-disposition", "attachment; filename=\"\(DownloadCommands.certificateFile)\"")
    }

    /// From `product/version`, as the catalogue's checkboxes send them.
    private static func items(_ keys: [String]) throws(Failure) -> [Item] {
        var items: [Item] = []
        for key in keys {
            guard let item = Item(key: key) else {
                throw Failure(.badRequest, "one of the chosen products is not a product")
            }
            items.append(item)
        }
        return items
    }
}

extension WebFront {
    private func accountModel(_ account: StagedAccount, password: String?) -> Model {
        let links = AccountLinks(account: account.account, places: settings.places, link: account.link)
        let commands = DownloadCommands(account, password: password, places: settings.places)
        var model: Model = [
            "account": account.account.text, "host": settings.places.host,
            "expiry": Self.expiry(account.expires, now: clocks.now()),
            "created": account.created.description, "created-text": Format.moment(account.created),
            "items": account.items.map(Self.itemModel), "item-count": Format.count(account.items.count, "product"),
            "file-count": Format.count(account.fileCount, "file"), "size": Format.size(account.bytes),
            "links": [
                ("HTTPS", links.https, links.signedHTTPS), ("FTPS", links.ftps, nil), ("FTP", links.ftp, nil),
            ].compactMap { name, url, signed in url.map { ["name": name, "url": $0, "href": signed ?? $0] } },
            "signed": links.signedHTTPS != nil,
            "commands": commands.downloads.map(Self.recipeModel), "verify": Self.recipeModel(commands.verification),
            "files": account.files.prefix(Self.filesAtOnce).map { fileModel($0, links: links) },
            "more-files": account.files.dropFirst(Self.filesAtOnce).map { fileModel($0, links: links) },
            "has-more-files": account.files.count > Self.filesAtOnce,
            "more-count": Format.count(account.files.count - Self.filesAtOnce, "more file"),
            "complete": account.files.count == account.fileCount,
            "listed": Format.number(account.files.count), "policy": Self.sentence(account.policy),
            "trust": commands.trust, "certificate": DownloadCommands.certificateFile,
            "lifetimes": lifetimeModels(),
        ]
        model["password"] = password
        if let link = account.link.flatMap({ AccountLink(text: Array($0.utf8)) }) {
            model["signed-until"] = ["time": link.expires.description, "text": Format.moment(link.expires)]
        }
        return model
    }

    /// Files in sight; the others of a longer list fold away.
    private static var filesAtOnce: Int { 20 }

    private func fileModel(_ file: StagedFile, links: AccountLinks) -> Model {
        var model: Model = [
            "path": file.path.description, "size": Format.size(file.size), "digest": file.digest.description,
        ]
        model["url"] = links.signedFile(file.path) ?? links.file(file.path)
        return model
    }

    private static func recipeModel(_ recipe: DownloadCommands.Recipe) -> Model {
        ["tool": recipe.tool, "purpose": recipe.purpose, "command": recipe.command]
    }

    private static func itemModel(_ item: Item) -> Model {
        ["product": item.product.text, "version": item.version.text]
    }

    private static func expiry(_ expires: Timestamp, now: Timestamp) -> Model {
        [
            "time": expires.description, "text": Format.moment(expires), "left": Format.duration(expires - now),
            "soon": expires - now < 3_600, "over": expires <= now,
        ]
    }

    private static func sentence(_ policy: ExpiryPolicy) -> String {
        switch policy {
        case .finish: "Downloads that run at that moment may finish."
        case .grace(let seconds): "Downloads that run at that moment may go on for \(Format.duration(Int64(seconds)))."
        case .cut: "Downloads that run at that moment are stopped."
        }
    }
}
