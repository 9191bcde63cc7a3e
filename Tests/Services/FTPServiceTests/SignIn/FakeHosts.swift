import Clients
import FFSModel
import Logging
import Requests
import Synchronization
import Tobj

@testable import FTPService

/// ffsauthd and ffsstaged in the tests' own process, as far as the gate asks them; every document is serialised and
/// parsed as the wire does it.
final class FakeHosts: Sendable {
    struct Grant: Sendable {
        var product: String
        var version = "1"
        var until: Timestamp?
        var policy = ExpiryPolicy.finish
        /// Orders that may be made.
        var limit: Int?
    }

    struct State: Sendable {
        var now = Timestamp(seconds: 1_800_000_000)
        var grants: [Grant] = []
        var password = Array("right".utf8)
        var orders: [(id: RequestID, number: Int, items: [Item])] = []
        var accounts: [AccountID: StagedAccount] = [:]
        var replies: [RequestID: StagedAccount] = [:]
        var creations: [StageCreate] = []
        var lookups = 0
        /// Passwords that ffsauthd was asked about.
        var logins = 0
        /// What every request to ffsauthd, or ffsstaged, gets.
        var authOutage: Failure?
        var stagingOutage: Failure?
        /// How long ffsauthd takes.
        var delay = Duration.zero
    }

    private let state = Mutex(State())

    @discardableResult
    func with<Result: Sendable>(_ body: (inout State) throws -> Result) rethrows -> Result {
        try state.withLock { try body(&$0) }
    }

    private struct InProcess: RequestTransport {
        let table: RequestTable
        let link: Link

        func exchange(_ request: Document) async throws(Failure) -> Document {
            let received = try Document(bytes: request.serialized())
            let reply = await table.answer(received, link: link, peer: "test") { _, _ in }
            return try Document(bytes: reply.serialized())
        }
    }

    var auth: AuthClient { AuthClient(InProcess(table: authTable, link: .storageWeb)) }
    var staging: StagingClient { StagingClient(InProcess(table: stagingTable, link: .signIn)) }
    static var log: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }

    func book(capacity: Int = 100) -> AccountBook {
        AccountBook(
            auth: auth, staging: staging, lifetime: 1_000, capacity: capacity, clock: { self.with { $0.now } },
            log: Self.log)
    }

    func gate(limit: Duration = Gate.timeLimit) -> Gate { Gate(auth: auth, book: book(), limit: limit, log: Self.log) }

    private static func item(_ grant: Grant) throws -> Item {
        Item(product: try ProductName(grant.product), version: try VersionName(grant.version))
    }

    /// What may be had when `holding` does not count.
    private static func offers(_ state: State, holding: Int?) throws -> [Grant] {
        try state.grants.filter { grant in
            let item = try item(grant)
            let used = state.orders.count { $0.number != holding && $0.items.contains(item) }
            return (grant.limit.map { used < $0 } ?? true) && (grant.until.map { $0 > state.now } ?? true)
        }
    }

    private var authTable: RequestTable {
        var table = RequestTable(daemon: "ffsauthd", version: "test", clock: { self.with { $0.now } })
        table.on(AuthLogin.self) { request, _ in
            try await Task.sleep(for: self.with { $0.delay })
            return try self.with { state in
                state.logins += 1
                if let outage = state.authOutage { throw outage }
                guard request.password == state.password else { throw Failure(.loginRefused, "no") }
                return AuthLogin.Reply(customer: request.customer, displayName: "x", generation: 1)
            }
        }
        table.on(AuthEntitlements.self) { request, _ in
            // Long enough for others to come meanwhile.
            try await Task.sleep(for: .milliseconds(20))
            return try self.with { state in
                state.lookups += 1
                if let outage = state.authOutage { throw outage }
                let holding = request.resume ? state.orders.last?.number : request.holding
                let free = Set(try Self.offers(state, holding: request.holding).map(Self.item))
                return AuthEntitlements.Reply(
                    entitlements: try Self.offers(state, holding: holding).map {
                        Entitlement(
                            item: try Self.item($0), title: "t", summary: "", size: 1, files: 1,
                            released: Timestamp(seconds: Int64($0.version) ?? 0), until: $0.until, policy: $0.policy,
                            isHeld: !free.contains(try Self.item($0)))
                    })
            }
        }
        table.on(AuthOrder.self) { request, context in
            try self.with { state in
                let offers = try Self.offers(state, holding: nil)
                let until = offers.compactMap(\.until).min()
                if let earlier = state.orders.first(where: { $0.id == context.id }) {
                    return AuthOrder.Reply(order: earlier.number, policy: .finish, until: until)
                }
                guard Set(try offers.map(Self.item)).isSuperset(of: request.items) else {
                    if let held = state.orders.last(where: { $0.items == request.items }) {
                        return AuthOrder.Reply(order: held.number, policy: .finish, until: until)
                    }
                    throw Failure(.notEntitled, "no")
                }
                state.orders.append((context.id, state.orders.count + 1, request.items))
                return AuthOrder.Reply(order: state.orders.count, policy: .finish, until: until)
            }
        }
        return table
    }

    private var stagingTable: RequestTable {
        var table = RequestTable(daemon: "ffsstaged", version: "test", clock: { self.with { $0.now } })
        table.on(StageCreate.self) { request, context in
            try self.with { state in
                if let outage = state.stagingOutage { throw outage }
                if let earlier = state.replies[context.id] {
                    guard let live = state.accounts[earlier.account], live.expires > state.now else {
                        throw Failure(.gone, "gone")
                    }
                    return earlier
                }
                let name = String(
                    String(repeating: "a", count: 15) + "\(UnicodeScalar(UInt8(98 + state.creations.count)))")
                let account = StagedAccount(
                    account: try AccountID(name), password: "p", customer: request.customer, items: request.items,
                    created: state.now, expires: state.now + Int64(request.lifetime), policy: request.policy,
                    order: request.order, fileCount: 1, bytes: 1, files: [])
                state.creations.append(request)
                state.replies[context.id] = account
                state.accounts[account.account] = account
                return account
            }
        }
        table.on(StageStatus.self) { request, _ in
            try self.with { state in
                guard let account = state.accounts[request.account], account.expires > state.now else {
                    throw Failure(.gone, "gone")
                }
                return account
            }
        }
        return table
    }
}
