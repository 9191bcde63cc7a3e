import Clients
import Logging
import FFSModel
import Requests

/// From a choice to an account: authorise and record the order, then stage it.
extension WebFront {
    /// - Parameters:
    ///   - items: what was chosen; each once.
    ///   - lifetime: seconds, nil for the default.
    ///   - key: names this wish; the same key, items and lifetime give the same account again.
    func stage(
        _ items: [Item], lifetime: Int?, key: String, for customer: CustomerName, visit: Visit
    ) async throws(Failure) -> StagedAccount {
        guard !items.isEmpty else { throw Failure(.badRequest, "choose at least one product") }
        guard items.count <= AuthOrder.mostItems, Set(items).count == items.count else {
            throw Failure(.badRequest, "one account holds at most \(AuthOrder.mostItems) products, each once")
        }
        let lifetime = lifetime ?? settings.lifetime
        guard settings.lifetimes.contains(lifetime) else {
            let (low, high) = (settings.lifetimes.lowerBound, settings.lifetimes.upperBound)
            throw Failure(.badRequest, "a lifetime is from \(low) to \(high) seconds")
        }
        let wish = ["web order", customer.text, key, "\(lifetime)"] + items.map(\.folder)
        let order = try await auth.order(
            customer: customer, items: items, source: visit.request.source.address, id: .derived(from: wish),
            trace: visit.trace)
        let account = try await staging.create(
            for: order.order, customer, items: items, lifetime: try bounded(lifetime, until: order.until),
            policy: order.policy, trace: visit.trace)
        log.info(
            "staged",
            metadata: [
                "account": "\(account.account)", "customer": "\(customer)", "order": "\(order.order)",
                "files": "\(account.fileCount)", "trace": "\(visit.trace)",
            ])
        return account
    }

    /// Moves the expiry of the customer's own account, never past the end of what it holds.
    func extend(_ id: AccountID, lifetime: Int?, of customer: CustomerName, visit: Visit) async throws(Failure)
        -> StagedAccount
    {
        let account = try await ownAccount(id, of: customer, visit: visit)
        let lifetime = lifetime ?? settings.lifetime
        guard settings.lifetimes.contains(lifetime) else {
            throw Failure(.badRequest, "that lifetime is not offered")
        }
        let entitlements = try await auth.entitlements(of: customer, trace: visit.trace)
        let held = entitlements.filter { account.items.contains($0.item) }
        guard Set(held.map(\.item)).isSuperset(of: account.items) else {
            throw Failure(.notEntitled, "the account holds something its customer is no longer entitled to")
        }
        let until = held.compactMap(\.until).min()
        return try await staging.extend(id, lifetime: try bounded(lifetime, until: until), trace: visit.trace)
    }

    /// Withdraws the customer's own account; its policy decides about running downloads.
    func revoke(_ id: AccountID, of customer: CustomerName, visit: Visit) async throws(Failure) {
        _ = try await ownAccount(id, of: customer, visit: visit)
        try await staging.revoke(id, trace: visit.trace)
        log.info(
            "revoked", metadata: ["account": "\(id)", "customer": "\(customer)", "trace": "\(visit.trace)"])
    }

    /// The account, if it is the customer's; another's is as absent as one that never was.
    func ownAccount(_ id: AccountID, of customer: CustomerName, visit: Visit) async throws(Failure) -> StagedAccount {
        let account = try await staging.status(id, trace: visit.trace)
        guard account.customer == customer else { throw Failure(.notFound, "account \(id) is another customer's") }
        return account
    }

    /// Every live account of `customer`, newest first.
    func accounts(of customer: CustomerName, visit: Visit) async throws(Failure) -> [StageList.Row] {
        var rows: [StageList.Row] = []
        while true {
            let page = try await staging.list(customer: customer, after: rows.last?.account, trace: visit.trace)
            rows += page.rows
            guard page.more, !page.rows.isEmpty, rows.count < Self.mostAccounts else { break }
        }
        return rows.sorted { ($0.created, $0.account) > ($1.created, $1.account) }
    }

    /// A page of more accounts than this helps nobody.
    private static var mostAccounts: Int { 2_000 }

    private func bounded(_ lifetime: Int, until: Timestamp?) throws(Failure) -> Int {
        guard let until else { return lifetime }
        let left = until - clocks.now()
        guard left > 0 else { throw Failure(.notEntitled, "the entitlement ended at \(until)") }
        return min(lifetime, Int(left))
    }
}
