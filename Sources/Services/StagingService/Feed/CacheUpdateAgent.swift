import ChangeFeed
import Clients
import FFSModel
import Logging
import Requests
import ServiceLifecycle

/// Follows the master database's changes: drops plans, ends accounts whose orders no longer stand, acknowledges.
///
/// Nothing is renewed before all of an answer has been applied. Whatever fails is tried again from the same place; the lease
/// runs out meanwhile, and with it, unless `staging.leases` says otherwise, the staging of new accounts.
final class CacheUpdateAgent: Service {
    private let engine: StagingEngine
    private let desk: OrderDesk
    private let node: NodeName
    private let logger: Logger

    /// Seconds between two attempts while nobody answers: the first, and the longest.
    private static let pauses = (first: 0.1, longest: 2.0)
    /// Orders asked about at once.
    private static let batch = 500

    init(_ engine: StagingEngine, _ desk: OrderDesk, node: NodeName) {
        self.engine = engine
        self.desk = desk
        self.node = node
        logger = engine.logger
    }

    func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            await withTaskGroup { group in
                group.addTask { await self.follow() }
                group.addTask { await self.watchLease() }
            }
        }
    }

    private func follow() async {
        var pause = Self.pauses.first
        var isDown = false
        while !Task.isCancelled {
            do throws(Failure) {
                try await step()
                if isDown { logger.notice("changes are heard of again") }
                isDown = false
                pause = Self.pauses.first
            } catch {
                if !isDown, !Task.isCancelled {
                    logger.warning(
                        "changes in the master database are not heard of, or cannot be applied: \(error)",
                        metadata: ["node": "\(node)"])
                }
                isDown = true
                try? await Task.sleep(for: .seconds(pause * .random(in: 0.5...1)))
                pause = min(2 * pause, Self.pauses.longest)
            }
        }
    }

    /// One question, and all that follows from its answer.
    func step() async throws(Failure) {
        let (question, wait) = desk.feed.question()
        let answer = try await desk.auth.send(
            FeedNext(node: node, after: question.after, seen: question.seen, wait: wait))
        do throws(FeedFollower.Refusal) { try desk.feed.begin(answer, to: question) } catch {
            throw Failure(.internal, "an answer of the change feed contradicts itself (\(error)); it is asked again")
        }
        if answer.isReset {
            try await validateEverything()
        } else if !answer.rows.isEmpty {
            try await apply(answer.rows)
        }
        let left = desk.feed.applied(answer, to: question)
        _ = try await desk.auth.send(
            FeedAcknowledge(node: node, position: answer.position, lease: Int(left / 1_000_000)))
    }

    private func apply(_ rows: [FeedRow]) async throws(Failure) {
        for item in Set(rows.compactMap(\.item)) { engine.plans.forget(item) }
        let applied = desk.feed.apply(rows, to: engine.index)
        var accounts: Set<AccountID> = []
        for (row, touched) in applied where !touched.isEmpty {
            accounts.formUnion(touched)
            logger.info(
                "a change concerns accounts here",
                metadata: [
                    "change": "\(row.position.number)", "entity": "\(row.entity.rawValue)",
                    "operation": "\(row.operation.rawValue)", "accounts": "\(touched.count)",
                ])
        }
        try await validate(Array(accounts))
        for (row, touched) in applied where !touched.isEmpty {
            engine.recorder?.applied(row, accounts: touched.count)
        }
    }

    /// After a reset: what is held may rest on anything.
    private func validateEverything() async throws(Failure) {
        engine.plans.forgetAll()
        logger.notice("the change feed begins anew: every account's order is checked")
        // What the area holds must be known first.
        while !engine.index.isComplete {
            do { try await Task.sleep(for: .milliseconds(20)) } catch {
                throw Failure(.draining, "ffsstaged is stopping")
            }
        }
        try await validate(engine.index.boundAccounts)
    }

    /// Ends those accounts whose orders no longer stand, and shortens those that may not live as long any more.
    private func validate(_ accounts: [AccountID]) async throws(Failure) {
        for start in stride(from: 0, to: accounts.count, by: Self.batch) {
            let some = Array(accounts[start..<min(start + Self.batch, accounts.count)])
            let orders = try await engine.onKeeping { [engine] () throws(Failure) in try engine.orders(of: some) }
            guard !orders.isEmpty else { continue }
            let reply = try await desk.auth.send(OrderCheck(orders: orders.keys.sorted()))
            let standings = Dictionary(reply.standings.map { ($0.order, $0) }) { first, _ in first }
            try await engine.onKeeping { [engine] () throws(Failure) in
                for (order, accounts) in orders {
                    for account in accounts { try engine.keep(account, to: standings[order]) }
                }
            }
        }
    }

    /// Accounts under the policy `cut` end with the lease: nobody may be able to say that theirs has been revoked.
    private func watchLease() async {
        var wasLapsed = false
        while !Task.isCancelled {
            let hasLapsed = desk.feed.hasLapsed
            if hasLapsed {
                do throws(Failure) {
                    let ended = try await engine.onKeeping { [engine] () throws(Failure) in try engine.endCutAccounts()
                    }
                    if ended > 0 || !wasLapsed {
                        logger.warning(
                            "the lease has lapsed: new accounts wait (staging.leases), those under the policy cut have ended",
                            metadata: ["ended": "\(ended)"])
                    }
                } catch { logger.error("an account under the policy cut cannot be ended: \(error)") }
            }
            wasLapsed = hasLapsed
            try? await Task.sleep(for: .milliseconds(250))
        }
    }
}

extension FeedRow {
    /// The version that the row is about; nil for any other.
    var item: Item? {
        guard entity == .version, let product = self[.product].flatMap({ try? ProductName($0) }),
            let version = self[.version].flatMap({ try? VersionName($0) })
        else { return nil }
        return Item(product: product, version: version)
    }
}
