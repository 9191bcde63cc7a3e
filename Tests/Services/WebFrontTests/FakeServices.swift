import FFSModel
import Requests
import Synchronization
import Tobj

/// What the storage host puts behind the addresses of every account: good until 18:46:56 on 21 Nov 2025.
let signedLink = "6920b3a0-" + String(repeating: "0011", count: 10)

/// ffsauthd and ffsstaged in the tests' own process: request tables as the daemons have, answered over a transport
/// that serialises and parses every document as the wire does.
final class FakeServices: Sendable {
    struct State: Sendable {
        var passwords = ["acme": "correct horse"]
        var entitlements: [Entitlement] = []
        var accounts: [AccountID: StagedAccount] = [:]
        var replies: [RequestID: StagedAccount] = [:]
        var orders: [(customer: CustomerName, items: [Item])] = []
        var revoked: [AccountID] = []
        /// The earliest end that `auth.order` tells.
        var until: Timestamp?
        /// What every request is answered with while it is set.
        var outage: Failure?
        /// What every request to the storage host is answered with while it is set.
        var storageOutage: Failure?
        var logins = 0
        /// Of each customer's sign-ins; 1 unless given here.
        var generations: [String: Int] = [:]
        var orderReplies: [RequestID: (wish: [String], reply: AuthOrder.Reply)] = [:]
        /// How often each kind of request came.
        var asked: [String: Int] = [:]
        /// A file of every account besides the usual ones, unless it holds a `/`.
        var fileName: String?

        /// All that a customer's request can change.
        var picture: [String] {
            passwords.map { "\($0)=\($1)" }.sorted() + accounts.values.map { "\($0.account) \($0.expires)" }.sorted()
                + ["\(orders.count) orders, \(revoked.count) revoked, \(logins) sign-ins"]
        }
    }

    private let state = Mutex(State())
    let now: @Sendable () -> Timestamp

    /// The download server's, when it is self-signed.
    private let certificate: String?

    init(now: @escaping @Sendable () -> Timestamp, certificate: String? = nil) {
        self.now = now
        self.certificate = certificate
    }

    /// Reads or changes what the services hold.
    @discardableResult
    func with<Result: Sendable>(_ body: (inout State) throws -> Result) rethrows -> Result {
        try state.withLock { try body(&$0) }
    }

    var auth: any RequestTransport { InProcess(table: authTable, link: .webInternal, seen: count) }
    var staging: any RequestTransport { InProcess(table: stagingTable, link: .webStorage, seen: count) }

    @Sendable private func count(_ type: String) { with { $0.asked[type, default: 0] += 1 } }

    private struct InProcess: RequestTransport {
        let table: RequestTable
        let link: Link
        let seen: @Sendable (String) -> Void

        func exchange(_ request: Document) async throws(Failure) -> Document {
            let received = try Document(bytes: request.serialized())
            seen(received.type)
            let reply = await table.answer(received, link: link, peer: "test") { _, _ in }
            return try Document(bytes: reply.serialized())
        }
    }

    private func live<Result: Sendable>(_ body: (inout State) throws -> Result) throws -> Result {
        try with { state in
            if let outage = state.outage { throw outage }
            return try body(&state)
        }
    }

    private var authTable: RequestTable {
        var table = RequestTable(daemon: "ffsauthd", version: "test", clock: now)
        table.on(AuthLogin.self) { request, _ in
            try self.live { state in
                state.logins += 1
                guard state.passwords[request.customer.text].map({ Array($0.utf8) }) == request.password else {
                    throw Failure(.loginRefused, "refused")
                }
                return AuthLogin.Reply(
                    customer: request.customer, displayName: "Acme <Corp> & Söhne",
                    generation: state.generations[request.customer.text] ?? 1)
            }
        }
        table.on(AuthEntitlements.self) { request, _ in
            try self.live { state in
                try Self.check(request.generation, of: request.customer, state)
                return Self.catalogue(state.entitlements, request)
            }
        }
        table.on(AuthSession.self) { request, _ in
            try self.live { state in
                try Self.check(request.generation, of: request.customer, state)
                return Done()
            }
        }
        table.on(AuthOrder.self) { request, context in
            try self.live { state in
                try Self.check(request.generation, of: request.customer, state)
                let wish = [request.customer.text, "\(request.lifetime ?? 0)"] + request.items.map(\.folder)
                let allowed = Set(state.entitlements.map(\.item))
                guard allowed.isSuperset(of: request.items) else { throw Failure(.notEntitled, "not entitled") }
                if let earlier = state.orderReplies[context.id] {
                    guard earlier.wish == wish else { throw Failure(.badRequest, "another request's id") }
                    return earlier.reply
                }
                state.orders.append((request.customer, request.items))
                let reply = AuthOrder.Reply(order: state.orders.count, policy: .finish, until: state.until)
                state.orderReplies[context.id] = (wish, reply)
                return reply
            }
        }
        table.on(AuthPassword.self) { request, _ in
            try self.live { state in
                guard state.passwords[request.customer.text].map({ Array($0.utf8) }) == request.password else {
                    throw Failure(.loginRefused, "refused")
                }
                state.passwords[request.customer.text] = String(decoding: request.newPassword, as: UTF8.self)
                let generation = (state.generations[request.customer.text] ?? 1) + 1
                state.generations[request.customer.text] = generation
                return AuthPassword.Reply(generation: generation)
            }
        }
        return table
    }

    private var stagingTable: RequestTable {
        var table = RequestTable(daemon: "ffsstaged", version: "test", clock: now)
        table.on(StageCreate.self) { request, context in
            try self.live { state in
                if let outage = state.storageOutage { throw outage }
                if let earlier = state.replies[context.id] {
                    guard !state.revoked.contains(earlier.account) else { throw Failure(.gone, "withdrawn") }
                    return earlier
                }
                let account = try self.account(
                    number: state.accounts.count, for: request, extra: state.fileName.map { [$0] } ?? [])
                state.accounts[account.account] = account.with(password: nil, expires: account.expires)
                state.replies[context.id] = account
                return account
            }
        }
        table.on(StageStatus.self) { request, _ in
            try self.live { state in try Self.find(request.account, state) }
        }
        table.on(StageExtend.self) { request, _ in
            let expires = self.now() + Int64(request.lifetime)
            return try self.live { state in
                let account = try Self.find(request.account, state).with(password: nil, expires: expires)
                state.accounts[request.account] = account
                return account
            }
        }
        table.on(StageRevoke.self) { request, _ in
            try self.live { state in
                _ = try Self.find(request.account, state)
                state.accounts[request.account] = nil
                state.revoked.append(request.account)
                return Done()
            }
        }
        table.on(StageList.self) { request, _ in
            try self.live { state in
                let mine = state.accounts.values.filter { $0.customer == request.customer }
                    .sorted { ($0.created, $0.account) > ($1.created, $1.account) }
                let older = mine.filter { account in
                    request.after.map { (account.created, account.account) < ($0.created, $0.account) } ?? true
                }
                let rows = older.prefix(request.limit).map {
                    StageList.Row(
                        account: $0.account, customer: $0.customer, items: $0.items, created: $0.created,
                        expires: $0.expires)
                }
                return StageList.Reply(rows: Array(rows), more: older.count > request.limit, count: mine.count)
            }
        }
        return table
    }

    private static func check(_ generation: Int?, of customer: CustomerName, _ state: State) throws(Failure) {
        guard generation == nil || generation == state.generations[customer.text] ?? 1 else {
            throw Failure(.sessionEnded, "over")
        }
    }

    /// As ffsauthd pages and searches.
    private static func catalogue(_ all: [Entitlement], _ request: AuthEntitlements) -> AuthEntitlements.Reply {
        if !request.items.isEmpty {
            return AuthEntitlements.Reply(entitlements: all.filter { request.items.contains($0.item) })
        }
        let words = (request.search ?? "").lowercased().split(separator: " ")
        let found = all.filter { row in
            let text = "\(row.item.product) \(row.item.version) \(row.title) \(row.summary)".lowercased()
            return words.allSatisfy { text.utf8Contains(String($0)) } && (request.resume || !row.isHeld)
        }.sorted { ($0.item.product, $1.released) < ($1.item.product, $0.released) }
        let behind = found.firstIndex { $0.item == request.after }.map { found[($0 + 1)...] } ?? found[...]
        var products: [ProductName] = []
        for row in behind where products.last != row.item.product { products.append(row.item.product) }
        let page = Set(products.prefix(request.products ?? .max))
        return AuthEntitlements.Reply(
            entitlements: behind.filter { page.contains($0.item.product) }, more: products.count > page.count,
            products: request.products == nil ? nil : Set(found.map(\.item.product)).count)
    }

    private static func find(_ id: AccountID, _ state: State) throws(Failure) -> StagedAccount {
        if let account = state.accounts[id] { return account }
        throw state.revoked.contains(id) ? Failure(.gone, "withdrawn") : Failure(.notFound, "no such account")
    }

    private func account(number: Int, for request: StageCreate, extra: [String]) throws(Failure) -> StagedAccount {
        let letters = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)
        let name =
            "k5q2m7x3a4b6c"
            + String(
                decoding: [letters[number / 1024], letters[number / 32 % 32], letters[number % 32]], as: UTF8.self)
        var files: [StagedFile] = []
        do {
            for item in request.items {
                let usual = ["install.sh", "data/part one & two.bin", "it's <b>.txt"]
                for file in usual + extra.filter({ !$0.utf8.contains(UInt8(ascii: "/")) }) {
                    let digest = ContentDigest(bytes: (0..<32).map { UInt8($0) ^ UInt8(files.count) })
                    files.append(
                        StagedFile(
                            path: try RelativePath("\(item.folder)/\(file)"), size: 1_048_576 * (files.count + 1),
                            digest: digest ?? { fatalError("32 bytes are a digest") }()))
                }
            }
            return StagedAccount(
                account: try AccountID(name), password: "w2k7xq4m3n5p6r7s2t3u4v5w6x",
                customer: request.customer, items: request.items, created: now(),
                expires: now() + Int64(request.lifetime), policy: request.policy, order: request.order,
                fileCount: files.count, bytes: files.reduce(0) { $0 + $1.size }, files: files,
                link: signedLink, certificate: certificate)
        } catch { throw Failure(.internal, "the test's own names: \(error)") }
    }
}

extension StagedAccount {
    func with(password: String?, expires: Timestamp) -> StagedAccount {
        StagedAccount(
            account: account, password: password, customer: customer, items: items, created: created,
            expires: expires, policy: policy, order: order, fileCount: fileCount, bytes: bytes, files: files,
            link: link, certificate: certificate)
    }
}

extension StagedAccount {
    func renamed(_ id: AccountID, created: Timestamp) -> StagedAccount {
        StagedAccount(
            account: id, password: nil, customer: customer, items: items, created: created, expires: expires,
            policy: policy, order: order, fileCount: fileCount, bytes: bytes, files: files)
    }
}

extension Entitlement {
    func ending(_ until: Timestamp?) -> Entitlement {
        Entitlement(
            item: item, title: title, summary: summary, size: size, files: files, released: released, until: until,
            policy: policy)
    }
}
