import Clients
import Logging
import FFSModel
import Requests

/// From a choice to an account: authorise and record the order, then stage it.
extension WebFront {
    /// - Parameters:
    ///   - items: what was chosen; each once.
    ///   - lifetime: seconds, nil for the default.
    ///   - key: names this order; the same items and lifetime under it give the same account again, and others throw
    ///     `exists`. nil: no other request is this one.
    func stage(
        _ items: [Item], lifetime: Int?, key: String?, for session: Session, visit: Visit
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
        let customer = session.customer
        let wish = ["web order", customer.text, key ?? RequestID.random().description]
        let order = try await place(items, lifetime: lifetime, id: .derived(from: wish), session, visit)
        let account = try await staging.create(
            for: order, customer, items: items, lifetime: try bounded(lifetime, until: order.until),
            trace: visit.trace)
        log.info(
            "staged",
            metadata: [
                "account": "\(account.account)", "customer": "\(customer)", "order": "\(order.order)",
                "files": "\(account.fileCount)", "trace": "\(visit.trace)",
            ])
        return account
    }

    /// Asks ffsauthd, which authorises an order at every repeat anew. Throws `exists` when the id was another order's.
    private func place(
        _ items: [Item], lifetime: Int, id: RequestID, _ session: Session, _ visit: Visit
    ) async throws(Failure) -> AuthOrder.Reply {
        do {
            return try await auth.order(
                customer: session.customer, generation: session.generation, items: items, lifetime: lifetime,
                source: visit.request.source.address, id: id, trace: visit.trace)
        } catch {
            // All else about it was checked before.
            guard error.code == .badRequest else { throw error }
            throw Failure(.exists, "this key was used for another order", cause: error.description)
        }
    }

    /// Moves the expiry of the customer's own account, never past the end of what it holds.
    func extend(_ id: AccountID, lifetime: Int?, of session: Session, visit: Visit) async throws(Failure)
        -> StagedAccount
    {
        let account = try await ownAccount(id, of: session, visit: visit)
        let lifetime = lifetime ?? settings.lifetime
        guard settings.lifetimes.contains(lifetime) else {
            throw Failure(.badRequest, "that lifetime is not offered")
        }
        let held = try await auth.entitlements(
            of: session.customer, generation: session.generation, items: account.items, trace: visit.trace)
        guard Set(held.map(\.item)).isSuperset(of: account.items) else {
            throw Failure(.notEntitled, "the account holds something its customer is no longer entitled to")
        }
        let until = held.compactMap(\.until).min()
        return try await staging.extend(id, lifetime: try bounded(lifetime, until: until), trace: visit.trace)
    }

    /// Withdraws the customer's own account; its policy decides about running downloads.
    func revoke(_ id: AccountID, of session: Session, visit: Visit) async throws(Failure) {
        _ = try await ownAccount(id, of: session, visit: visit)
        try await staging.revoke(id, trace: visit.trace)
        log.info(
            "revoked", metadata: ["account": "\(id)", "customer": "\(session.customer)", "trace": "\(visit.trace)"])
    }

    /// The account, if it is the customer's; another's is as absent as one that never was.
    func ownAccount(_ id: AccountID, of session: Session, visit: Visit) async throws(Failure) -> StagedAccount {
        try await check(session, visit)
        let account = try await staging.status(id, trace: visit.trace)
        guard account.customer == session.customer else {
            throw Failure(.notFound, "account \(id) is another customer's")
        }
        return account
    }

    /// Throws `session-ended` after a new password, a disable or a deletion, wherever that was done.
    func check(_ session: Session, _ visit: Visit) async throws(Failure) {
        try await auth.checkSession(of: session.customer, generation: session.generation, trace: visit.trace)
    }

    /// One page of the customer's live accounts, newest first, and how many there are on all pages.
    ///
    /// - Parameter after: the cursor that came with the page before; nil for the first page.
    func accounts(
        of session: Session, after: StageList.Place?, limit: Int, visit: Visit
    ) async throws(Failure) -> (reply: StageList.Reply, next: String?) {
        try await check(session, visit)
        let reply = try await staging.list(
            customer: session.customer, after: after, limit: limit, trace: visit.trace)
        return (reply, reply.more ? reply.rows.last.map { StageList.Place($0).cursor } : nil)
    }

    private func bounded(_ lifetime: Int, until: Timestamp?) throws(Failure) -> Int {
        guard let until else { return lifetime }
        let left = until - clocks.now()
        guard left > 0 else { throw Failure(.notEntitled, "the entitlement ended at \(until)") }
        return min(lifetime, Int(left))
    }
}

extension StageList.Place {
    /// `account/time`, as pages and programs hand it back.
    var cursor: String { "\(account)/\(created)" }

    init?(cursor: String) {
        let parts = cursor.parts("/")
        guard parts.count == 2, let account = try? AccountID(parts[0]), let created = Timestamp(parts[1]) else {
            return nil
        }
        self.init(account: account, created: created)
    }
}
