import ChangeFeed
import FFSModel
import Logging
import Requests
import StoredFormats
import SystemSupport

/// What becomes of published accounts when something changes that they were made for.
extension StagingEngine {
    /// Runs `body` where accounts are looked at for the change feed: not on Swift's threads, which must not wait for a disk,
    /// nor on the building ones, whose queue may be full.
    func onKeeping<Value: Sendable>(
        _ body: @escaping @Sendable () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        try await changing.run(body)
    }

    /// The orders of those of `accounts` that live.
    func orders(of accounts: [AccountID]) throws(Failure) -> [Int: [AccountID]] {
        var orders: [Int: [AccountID]] = [:]
        for account in accounts {
            guard case .live(let record)? = try store.find(account), record.order > 0 else { continue }
            orders[record.order, default: []].append(account)
        }
        return orders
    }

    /// Ends an account whose order does not stand, or is not known; lets none outlive what its order allows.
    func keep(_ account: AccountID, to standing: OrderCheck.Standing?) throws(Failure) {
        try keeper.changing { () throws(Failure) in
            guard case .live(let record)? = try store.find(account), record.isLive(at: clock.now()) else { return }
            guard let standing, standing.stands else {
                return try end(record, policy: standing?.policy ?? record.policy, "the order no longer stands")
            }
            guard let until = standing.until, until < record.expires else { return }
            let shortened = record.extended(to: until, at: clock.now())
            do throws(SystemError) { try store.rewrite(shortened) } catch {
                throw error.failure("cannot shorten account \(account)")
            }
            index.add(shortened)
            recorder?.extended(shortened)
            logger.info(
                "account shortened to what its order allows",
                metadata: ["account": "\(account)", "expires": "\(until)"])
        }
    }

    /// Ends every account that may not outlive the lease; returns how many.
    func endCutAccounts() throws(Failure) -> Int {
        var ended = 0
        for account in index.cutAccounts {
            try keeper.changing { () throws(Failure) in
                guard case .live(let record)? = try store.find(account), record.isLive(at: clock.now()) else { return }
                try end(record, policy: .cut, "the lease has lapsed")
                ended += 1
            }
        }
        return ended
    }

    private func end(_ record: AccountRecord, policy: ExpiryPolicy, _ reason: String) throws(Failure) {
        let withdrawn = record.withdrawn(at: clock.now(), policy: policy)
        try keeper.withdraw(withdrawn, rewrite: true)
        recorder?.revoked(withdrawn, reason: reason)
        logger.info(
            "account ended",
            metadata: [
                "account": "\(record.account)", "customer": "\(record.customer)", "order": "\(record.order)",
                "reason": "\(reason)",
            ])
    }
}
