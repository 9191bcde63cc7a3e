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
        var orderNumbers: [RequestID: Int] = [:]
        var revoked: [AccountID] = []
        /// The earliest end that `auth.order` tells.
        var until: Timestamp?
        /// What every request is answered with while it is set.
        var outage: Failure?
        var logins = 0
    }

    private let state = Mutex(State())
    let now: @Sendable () -> Timestamp

    init(now: @escaping @Sendable () -> Timestamp) { self.now = now }

    /// Reads or changes what the services hold.
    @discardableResult
    func with<Result: Sendable>(_ body: (inout State) throws -> Result) rethrows -> Result {
        try state.withLock { try body(&$0) }
    }

    var auth: any RequestTransport { InProcess(table: authTable, link: .webInternal) }
    var staging: any RequestTransport { InProcess(table: stagingTable, link: .webStorage) }

    private struct InProcess: RequestTransport {
        let table: RequestTable
        let link: Link

        func exchange(_ request: Document) async throws(Failure) -> Document {
            let received = try Document(bytes: request.serialized())
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
                return AuthLogin.Reply(customer: request.customer, displayName: "Acme <Corp> & Söhne", generation: 1)
            }
        }
        table.on(AuthEntitlements.self) { _, _ in
            try self.live { state in AuthEntitlements.Reply(entitlements: state.entitlements) }
        }
        table.on(AuthOrder.self) { request, context in
            try self.live { state in
                if let number = state.orderNumbers[context.id] {
                    return AuthOrder.Reply(order: number, policy: .finish, until: state.until)
                }
                let allowed = Set(state.entitlements.map(\.item))
                guard allowed.isSuperset(of: request.items) else { throw Failure(.notEntitled, "not entitled") }
                state.orders.append((request.customer, request.items))
                state.orderNumbers[context.id] = state.orders.count
                return AuthOrder.Reply(order: state.orders.count, policy: .finish, until: state.until)
            }
        }
        table.on(AuthPassword.self) { request, _ in
            try self.live { state in
                guard state.passwords[request.customer.text].map({ Array($0.utf8) }) == request.password else {
                    throw Failure(.loginRefused, "refused")
                }
                state.passwords[request.customer.text] = String(decoding: request.newPassword, as: UTF8.self)
                return AuthPassword.Reply(generation: 2)
            }
        }
        return table
    }

    private var stagingTable: RequestTable {
        var table = RequestTable(daemon: "ffsstaged", version: "test", clock: now)
        table.on(StageCreate.self) { request, context in
            try self.live { state in
                if let earlier = state.replies[context.id] { return earlier }
                let account = try self.account(number: state.accounts.count, for: request)
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
                    .filter { account in request.after.map { account.account > $0 } ?? true }
                    .sorted { $0.account < $1.account }
                let rows = mine.prefix(request.limit).map {
                    StageList.Row(
                        account: $0.account, customer: $0.customer, items: $0.items, created: $0.created,
                        expires: $0.expires)
                }
                return StageList.Reply(rows: Array(rows), more: mine.count > request.limit)
            }
        }
        return table
    }

    private static func find(_ id: AccountID, _ state: State) throws(Failure) -> StagedAccount {
        if let account = state.accounts[id] { return account }
        throw state.revoked.contains(id) ? Failure(.gone, "withdrawn") : Failure(.notFound, "no such account")
    }

    private func account(number: Int, for request: StageCreate) throws(Failure) -> StagedAccount {
        let letters = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)
        let name =
            "k5q2m7x3a4b6c"
            + String(
                decoding: [letters[number / 1024], letters[number / 32 % 32], letters[number % 32]], as: UTF8.self)
        var files: [StagedFile] = []
        do {
            for item in request.items {
                for file in ["install.sh", "data/part one & two.bin", "it's <b>.txt"] {
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
                link: signedLink)
        } catch { throw Failure(.internal, "the test's own names: \(error)") }
    }
}

extension StagedAccount {
    func with(password: String?, expires: Timestamp) -> StagedAccount {
        StagedAccount(
            account: account, password: password, customer: customer, items: items, created: created,
            expires: expires, policy: policy, order: order, fileCount: fileCount, bytes: bytes, files: files,
            link: link)
    }
}
