import Events
import FFSModel
import Logging
import Metrics
import Requests

/// `auth.*`: what ffswebd asks in a customer's name.
extension AuthService {
    func addCustomerSide(to table: inout RequestTable) {
        table.on(AuthLogin.self) { message, context in
            let customer = try await authenticator.authenticate(
                message.customer, password: message.password, source: message.source, context: context)
            return AuthLogin.Reply(
                customer: customer.customer, displayName: customer.displayName, generation: customer.generation)
        }
        table.on(AuthSession.self) { message, _ in
            let now = clock()
            try await database.read { try Self.check(message.generation, of: message.customer, at: now, $0) }
            return Done()
        }
        table.on(AuthPassword.self) { try await changePassword($0, $1) }
        table.on(AuthEntitlements.self) { message, _ in try await entitlements(message) }
        table.on(AuthOrder.self) { try await placeOrder($0, $1) }
    }

    private func entitlements(_ message: AuthEntitlements) async throws -> AuthEntitlements.Reply {
        let now = clock()
        guard message.items.isEmpty else {
            let held = try await database.read { db in
                try Self.check(message.generation, of: message.customer, at: now, db)
                return try message.items.compactMap {
                    try db.offer(of: $0, to: message.customer, at: now, holding: message.holding)?.entitlement
                }
            }
            return AuthEntitlements.Reply(entitlements: held)
        }
        // One row and one product more than asked tell whether another page follows.
        let selection = OfferSelection(
            customer: message.customer, now: now, holding: message.holding, search: message.search)
        let (offers, products) = try await database.read { db in
            try Self.check(message.generation, of: message.customer, at: now, db)
            func rows(_ selection: OfferSelection) throws -> [Entitlement] {
                try db.offers(
                    selection, after: message.after, products: message.products.map { $0 + 1 },
                    limit: message.limit + 1
                ).map(\.entitlement)
            }
            guard message.resume,
                let order = try db.limitedOrders(of: message.customer, since: now + -Self.resumable).first?.order
            else { return (try rows(selection), message.products == nil ? nil : try db.productCount(selection)) }
            let all = OfferSelection(customer: message.customer, now: now, holding: order, search: message.search)
            // The same page of less reaches at least as far.
            let free = Set(try rows(selection).map(\.item))
            let shown = try rows(all).map { row in
                var row = row
                row.isHeld = !free.contains(row.item)
                return row
            }
            return (shown, message.products == nil ? nil : try db.productCount(all))
        }
        let leading = Self.leading(offers, products: message.products ?? .max)
        let (page, more) = PageBudget.fit(leading, limit: message.limit) { $0.element }
        return AuthEntitlements.Reply(
            entitlements: page, more: more || leading.count < offers.count, products: products)
    }

    /// What belongs to the first `products` products.
    private static func leading(_ rows: [Entitlement], products: Int) -> ArraySlice<Entitlement> {
        var left = products
        var last: ProductName?
        return rows.prefix { row in
            if row.item.product != last {
                left -= 1
                last = row.item.product
            }
            return left >= 0
        }
    }

    /// Throws `session-ended` when a session of that generation is over; nil is no session.
    private static func check(
        _ generation: Int?, of customer: CustomerName, at now: Timestamp, _ db: any MasterReading
    ) throws {
        guard let generation else { return }
        guard let row = try db.credentials(of: customer), row.generation == generation, row.mayEnter(at: now) else {
            throw Failure(
                .sessionEnded,
                "\(customer)'s password or access has changed since this session began; sign in again")
        }
    }

    private func changePassword(
        _ message: AuthPassword, _ context: RequestContext
    ) async throws -> AuthPassword.Reply {
        // After the change the old password would be refused, so the repeat is looked for first.
        if let earlier = try await repeated(message, context) { return earlier }
        try authenticator.rule.check(message.newPassword, of: message.customer)
        _ = try await authenticator.authenticate(
            message.customer, password: message.password, source: message.source, context: context)
        let hash = try await authenticator.hash(message.newPassword, source: SourceKey(message.source))
        let now = clock()
        return try await once(message, context) { db in
            try db.setPassword(hash, of: message.customer, at: now)
            // The customer's own doing: nobody else is named.
            var event = Self.event(.changeMade, context, at: now)
            event.set(.entity, "customer")
            event.set(.outcome, Deed.password.rawValue)
            event.set(.customer, message.customer.text)
            try db.append(event.record, at: now)
            guard let row = try db.credentials(of: message.customer) else {
                throw Failure.noCustomer(message.customer)
            }
            return AuthPassword.Reply(generation: row.generation)
        }
    }

    private func placeOrder(_ message: AuthOrder, _ context: RequestContext) async throws -> AuthOrder.Reply {
        let now = clock()
        let (reply, isNew) = try await database.write { db in
            try Self.check(message.generation, of: message.customer, at: now, db)
            // A repeat is the same order, but only as long as its items are allowed: they may have been revoked since.
            let earlier = try Self.earlierReply(to: message, context, at: now, db)?.order
            func allowed(_ holding: Int?) throws -> [Offer] {
                try message.items.map { item in
                    let offer = try db.offer(of: item, to: message.customer, at: now, holding: holding)
                    guard let offer else { throw Failure.notEntitled(message.customer, to: item) }
                    return offer
                }
            }
            let (held, offers) = try Self.charged(earlier, allowed) {
                try db.limitedOrders(of: message.customer, since: now + -Self.resumable)
                    .first { Set($0.items) == Set(message.items) }?.order
            }
            if let held { try db.charge(held, to: offers) }
            let policy = strictest(offers.map(\.entitlement.policy))
            let until = offers.compactMap(\.entitlement.until).min()
            let number =
                try held
                ?? db.insert(
                    NewOrder(
                        customer: message.customer, items: offers, placed: now, source: message.source, policy: policy,
                        until: until, trace: context.trace))
            let manifests = offers.map { ($0.entitlement.item, $0.manifest) }
            let reply = AuthOrder.Reply(
                order: number, policy: policy, until: until, position: try db.feedHead(),
                terms: AccountTerms(manifests: Dictionary(manifests) { first, _ in first }))
            // What was resumed is found again the same way, not longer than its order lets it.
            if held == nil {
                try Self.remember(reply, to: message, context, at: now, db)
                for offer in offers { try Self.record(number, message, offer, until, context, at: now, db) }
            }
            return (reply, held == nil)
        }
        guard isNew else { return reply }
        Counter(label: "ffs_auth_orders_total").increment()
        logger.info(
            "order",
            metadata: [
                "order": "\(reply.order)", "customer": "\(message.customer)", "items": "\(message.items.count)",
                "source": "\(message.source)", "trace": "\(context.trace)",
            ])
        return reply
    }
}

extension AuthService {
    /// `order.placed`, one for each item.
    private static func record(
        _ order: Int, _ message: AuthOrder, _ offer: Offer, _ until: Timestamp?, _ context: RequestContext,
        at now: Timestamp, _ db: any MasterWriting
    ) throws {
        var event = event(.orderPlaced, context, at: now)
        event.set(.customer, message.customer.text)
        event.set(offer.entitlement.item)
        event.set(.content, offer.manifest)
        event.set(.order, UInt64(order))
        event.set(.peer, message.source)
        event.set(.expires, until.map { UInt64(max(0, $0.seconds)) })
        try db.append(event.record, at: now)
    }

    /// The order that these offers are charged to, nil for a new one: what a repeat had before; else none; else, where the
    /// items are not allowed a new order, the one that can be resumed.
    private static func charged(
        _ earlier: Int?, _ offers: (Int?) throws -> [Offer], _ resumable: () throws -> Int?
    ) throws -> (order: Int?, offers: [Offer]) {
        do { return (earlier, try offers(earlier)) } catch let refusal as Failure {
            guard earlier == nil, refusal.code == .notEntitled, let order = try resumable() else { throw refusal }
            return (order, try offers(order))
        }
    }
}

extension Failure {
    fileprivate static func notEntitled(_ customer: CustomerName, to item: Item) -> Failure {
        Failure(
            .notEntitled,
            "\(customer) is not entitled to \(item.product) \(item.version), or no longer; nothing was ordered")
    }
}

/// Cut, then the shortest grace, then finish.
func strictest(_ policies: [ExpiryPolicy]) -> ExpiryPolicy {
    if policies.contains(.cut) { return .cut }
    let grace = policies.compactMap { policy -> Int? in
        if case .grace(let seconds) = policy { seconds } else { nil }
    }.min()
    return grace.map { .grace(seconds: $0) } ?? .finish
}
