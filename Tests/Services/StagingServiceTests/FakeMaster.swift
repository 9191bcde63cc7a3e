import ChangeFeed
import Clients
import FFSModel
import Logging
import Requests
import StoredFormats
import Synchronization
import SystemSupport
import TestSupport
import Tobj

@testable import StagingService

/// ffsauthd as far as a storage host's change feed goes: orders that stand or not, and rows that say that something changed.
final class FakeMaster: RequestTransport {
    struct State {
        var rows: [FeedRow] = []
        var orders: [Int: OrderCheck.Standing] = [:]
        var isDown = false
        var acknowledged: FeedPosition?
        var checks = 0
        /// Checks that were answered by what is true now, but whose answers are held back.
        var holdsAnswers = false
    }

    private let state = Mutex(State())

    init() { change(.node, [.node: "storage-1"], .insert) }

    func with<Value: Sendable>(_ body: (inout State) -> Value) -> Value { state.withLock { body(&$0) } }

    var head: FeedPosition { with { $0.rows.last?.position ?? .empty } }

    /// An order that stands.
    func place(_ order: Int, policy: ExpiryPolicy = .finish, until: Timestamp? = nil) {
        with { $0.orders[order] = .init(order: order, stands: true, policy: policy, until: until) }
    }

    /// The order stands no longer, and the row that tells of the change.
    func revoke(_ order: Int, policy: ExpiryPolicy = .finish) {
        with { $0.orders[order] = .init(order: order, stands: false, policy: policy, until: nil) }
        change(.entitlement, [.customer: "acme", .product: "tool"])
    }

    func change(
        _ entity: FeedRow.Entity, _ keys: [FeedRow.Column: String], _ operation: FeedRow.Operation = .update
    ) {
        with { state in
            let number = (state.rows.last?.position.number ?? 0) + 1
            let position = FeedPosition(number: number, nonce: .random(in: 1 ... .max))
            state.rows.append(FeedRow(position: position, entity: entity, operation: operation, keys: keys))
        }
    }

    /// A backup takes the place of the database: as many rows, but other ones.
    func restore() {
        with { state in
            state.rows = state.rows.map { row in
                FeedRow(
                    position: FeedPosition(number: row.position.number, nonce: row.position.nonce ^ 1),
                    entity: row.entity, operation: row.operation, keys: row.keys)
            }
        }
    }

    func exchange(_ request: Document) async throws(Failure) -> Document {
        if with(\.isDown) { throw Failure(.unreachable, "the relay does not answer") }
        return await table.answer(request, link: .storageWeb, peer: "test", report: { _, _ in })
    }

    private var table: RequestTable {
        var table = RequestTable(daemon: "ffsauthd", version: "test", clock: { Timestamp(seconds: 0) })
        table.on(FeedNext.self) { message, _ in
            self.with { state in
                let head = state.rows.last?.position ?? .empty
                let nonce = message.after.flatMap { after in
                    state.rows.first { $0.position.number == after.number }?.position.nonce
                }
                guard case .rows(let after) = FeedStart(from: message.after, nonce: nonce, head: head) else {
                    return FeedAnswer(rows: [], position: head, isAtHead: true, isReset: true)
                }
                let rows = state.rows.filter { $0.position.number > after }
                return FeedAnswer(rows: rows, position: head, isAtHead: true)
            }
        }
        table.on(FeedAcknowledge.self) { message, _ in
            self.with { $0.acknowledged = message.position }
            return Done()
        }
        table.on(OrderCheck.self) { message, _ in
            let reply = self.with { state in
                state.checks += 1
                return OrderCheck.Reply(
                    standings: message.orders.compactMap { state.orders[$0] },
                    position: state.rows.last?.position ?? .empty)
            }
            while self.with(\.holdsAnswers) { try await Task.sleep(for: .milliseconds(5)) }
            return reply
        }
        return table
    }
}

/// A storage host that follows a ``FakeMaster``, step by step, by a clock of its own.
final class FollowingHost {
    let fixture: StagingFixture
    let master = FakeMaster()
    let desk: OrderDesk
    let engine: StagingEngine
    let agent: CacheUpdateAgent
    private let time = Time()

    /// A mutex cannot be captured.
    private final class Time: Sendable {
        let nanoseconds = Mutex<Int64>(1_000_000_000_000)
    }

    static let lease: Int64 = 30_000_000_000

    init(servesStale: Bool = false, disk: CommitDisk? = nil) throws {
        fixture = try StagingFixture()
        try fixture.publish(["a": "1"])
        fixture.engine.stop()
        let time = time
        desk = OrderDesk(
            feed: FeedGuard(
                lease: Self.lease, isStrict: !servesStale, now: { time.nanoseconds.withLock { $0 } }),
            auth: AuthClient(master), servesStale: servesStale, patience: .zero,
            logger: fixture.log.logger)
        engine = try StagingEngine(
            settings: fixture.settings, logger: fixture.log.logger, clock: fixture.clock.clock, disk: disk, desk: desk)
        agent = CacheUpdateAgent(engine, desk, node: try NodeName("storage-1"))
    }

    deinit { engine.stop() }

    /// Who asks for accounts.
    struct Front: Sendable {
        let engine: StagingEngine

        func create(
            _ order: Int, policy: ExpiryPolicy = .finish, position: FeedPosition? = nil, id: RequestID = .random()
        ) async throws -> AccountID {
            try await engine.create(
                StageCreate(
                    customer: try CustomerName("acme"), items: [StagingFixture.item()], lifetime: 3_600,
                    policy: policy, order: order, position: position), id: id
            ).account
        }

        /// The code with which the creation was refused; nil when it was not.
        func refusal(_ order: Int, id: RequestID = .random()) async -> FailureCode? {
            do {
                _ = try await create(order, id: id)
                return nil
            } catch { return (error as? Failure)?.code }
        }
    }

    var front: Front { Front(engine: engine) }

    /// Time passes for the lease alone.
    func pass(_ nanoseconds: Int64) { time.nanoseconds.withLock { $0 += nanoseconds } }

    func create(
        _ order: Int, policy: ExpiryPolicy = .finish, position: FeedPosition? = nil, id: RequestID = .random()
    ) async throws -> AccountID {
        try await front.create(order, policy: policy, position: position, id: id)
    }

    func refusal(_ order: Int, id: RequestID = .random()) async -> FailureCode? {
        await front.refusal(order, id: id)
    }
}
