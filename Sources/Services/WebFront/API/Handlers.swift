import Clients
import FFSModel
import FoundationEssentials
import Requests

/// The API: the same calls as the pages, in JSON, with a bearer token.
extension WebFront {
    func apiSignIn(_ visit: Visit) async throws -> WebResponse {
        let wish: API.SignIn = try decode(visit)
        let (token, reply) = try await openSession(customer: wish.customer, password: wish.password, visit: visit)
        return try json(
            API.Session(
                token: token.text, customer: reply.customer.text, displayName: reply.displayName,
                idleTimeout: settings.sessionIdle, lifetime: settings.sessionLifetime), status: 201)
    }

    func apiSignOut(_ visit: Visit, _ session: Session) async throws -> WebResponse {
        sessions.close(visit.token)
        return WebResponse(status: 204)
    }

    func apiEntitlements(_ visit: Visit, _ session: Session) async throws -> WebResponse {
        let query = visit.request.query
        var after: Item?
        if let cursor = query["after"] {
            after = Item(key: cursor)
            guard after != nil else { throw Failure(.badRequest, "after is the next of the page before") }
        }
        let reply = try await auth.catalogue(
            of: session.customer, generation: session.generation, search: Self.search(query["search"]), after: after,
            products: API.productsOnAPage, trace: visit.trace)
        return try json(
            API.Entitlements(
                products: reply.products ?? 0, next: reply.more ? reply.entitlements.last?.item.key : nil,
                entitlements: reply.entitlements.map {
                    API.EntitlementRow(
                        product: $0.item.product.text, version: $0.item.version.text, title: $0.title,
                        summary: $0.summary, size: $0.size, files: $0.files, released: $0.released.description,
                        until: $0.until?.description, policy: $0.policy.description)
                }))
    }

    func apiAccounts(_ visit: Visit, _ session: Session) async throws -> WebResponse {
        var after: StageList.Place?
        if let cursor = visit.request.query["after"] {
            after = StageList.Place(cursor: cursor)
            guard after != nil else { throw Failure(.badRequest, "after is the next of the page before") }
        }
        let (reply, next) = try await accounts(of: session, after: after, limit: API.accountsOnAPage, visit: visit)
        return try json(
            API.Accounts(
                count: reply.count, next: next,
                accounts: reply.rows.map {
                    API.AccountRow(
                        account: $0.account.text, items: $0.items.map(Self.name), created: $0.created.description,
                        expires: $0.expires.description)
                }))
    }

    func apiCreateAccount(_ visit: Visit, _ session: Session) async throws -> WebResponse {
        let order: API.Order = try decode(visit)
        var items: [Item] = []
        for name in order.items {
            guard let product = try? ProductName(name.product), let version = try? VersionName(name.version) else {
                throw Failure(.badRequest, "an item names a product and a version that exist")
            }
            items.append(Item(product: product, version: version))
        }
        let account: StagedAccount
        do {
            account = try await stage(
                items, lifetime: order.lifetime, key: visit.request.headers["idempotency-key"], for: session,
                visit: visit)
        } catch {
            let refusal: (status: Int, message: String)
            switch error.code {
            case .exists:
                refusal = (422, "This Idempotency-Key was used for another order. A new order needs a new key.")
            case .gone:
                refusal = (410, "The account of this order has ended. A new order needs a new Idempotency-Key.")
            default: throw error
            }
            throw Refusal(response: apiError(status: refusal.status, code: error.code.rawValue, refusal.message))
        }
        return try json(model(account, password: account.password), status: 201)
            .setting("location", "/api/v1/accounts/\(account.account)")
    }

    func apiAccount(_ visit: Visit, _ session: Session, _ id: AccountID) async throws -> WebResponse {
        let account = try await ownAccount(id, of: session, visit: visit)
        return try json(model(account, password: nil))
    }

    func apiExtend(_ visit: Visit, _ session: Session, _ id: AccountID) async throws -> WebResponse {
        let wish: API.Lifetime = try decode(visit)
        let account = try await extend(id, lifetime: wish.lifetime, of: session, visit: visit)
        return try json(model(account, password: nil))
    }

    func apiRevoke(_ visit: Visit, _ session: Session, _ id: AccountID) async throws -> WebResponse {
        try await revoke(id, of: session, visit: visit)
        return WebResponse(status: 204)
    }

    /// The session goes on under a new token; every other one of the customer's ends.
    func apiPassword(_ visit: Visit, _ session: Session) async throws -> WebResponse {
        let wish: API.Password = try decode(visit)
        let token = try await setPassword(of: session, from: wish.password, to: wish.newPassword, visit: visit)
        return try json(["token": token.text])
    }

    func apiError(status: Int, code: String, _ message: String, retryAfter: Int? = nil) -> WebResponse {
        let problem = API.Problem(error: .init(code: code, message: message, retryAfter: retryAfter))
        let response = (try? json(problem, status: status)) ?? WebResponse(status: status)
        return status == 401 ? response.setting("www-authenticate", "Bearer realm=\"ffs\"") : response
    }

    private func model(_ account: StagedAccount, password: String?) -> API.Account {
        let links = AccountLinks(account: account.account, places: settings.places, link: account.link)
        let commands = DownloadCommands(account, password: password, places: settings.places)
        return API.Account(
            account: account.account.text, password: password, items: account.items.map(Self.name),
            created: account.created.description, expires: account.expires.description,
            policy: account.policy.description, order: account.order, fileCount: account.fileCount,
            size: account.bytes,
            links: API.Links(
                https: links.https, signed: links.signedHTTPS, ftps: links.ftps, ftp: links.ftp),
            certificate: account.certificate,
            commands: (commands.downloads + [commands.verification]).map {
                API.Command(tool: $0.tool, purpose: $0.purpose, command: $0.command)
            },
            files: account.files.map {
                API.File(
                    path: $0.path.description, url: links.file($0.path), signedUrl: links.signedFile($0.path),
                    size: $0.size, sha256: $0.digest.description)
            })
    }

    private static func name(_ item: Item) -> API.ItemName {
        API.ItemName(product: item.product.text, version: item.version.text)
    }

    private func decode<Message: Decodable>(_ visit: Visit) throws(Failure) -> Message {
        guard visit.request.mediaType == "application/json" else {
            throw Failure(.badRequest, "the body must be application/json")
        }
        do {
            return try JSONDecoder().decode(Message.self, from: Data(visit.request.body))
        } catch {
            throw Failure(.badRequest, "the body is not the JSON that ffswebd(8) documents for this call")
        }
    }

    private func json(_ value: some Encodable, status: Int = 200) throws -> WebResponse {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return WebResponse(
            status: status, type: "application/json", body: Array(try encoder.encode(value)) + [UInt8(ascii: "\n")])
    }
}
