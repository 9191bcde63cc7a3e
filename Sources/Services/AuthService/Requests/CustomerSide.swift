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
            return AuthLogin.Reply(customer: customer.customer, displayName: customer.displayName)
        }
        table.on(AuthPassword.self) { try await changePassword($0, $1) }
        table.on(AuthEntitlements.self) { message, _ in try await entitlements(message) }
        table.on(AuthOrder.self) { try await placeOrder($0, $1) }
    }

    private func entitlements(_ message: AuthEntitlements) async throws -> AuthEntitlements.Reply {
        let now = clock()
        guard message.items.isEmpty else {
            let held = try await database.read { db in
                try message.items.compactMap {
                    try db.offer(of: $0, to: message.customer, at: now, holding: message.holding)?.entitlement
                }
            }
            return AuthEntitlements.Reply(entitlements: held)
        }
        // One row and one product more than asked tell whether another page follows.
        let selection = OfferSelection(
            customer: message.customer, now: now, holding: message.holding, search: message.search)
        let (offers, products) = try await database.read { db in
            (
                try db.offers(
                    selection, after: message.after, products: message.products.map { $0 + 1 },
                    limit: message.limit + 1),
                message.products == nil ? nil : try db.productCount(selection)
            )
        }
        let leading = Self.leading(offers.map(\.entitlement), products: message.products ?? .max)
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

    private func changePassword(_ message: AuthPassword, _ context: RequestContext) async throws -> Done {
        // After the change the old password would be refused, so the repeat is looked for first.
        if let earlier = try await repeated(message, context) { return earlier }
        try authenticator.rule.check(message.newPassword, of: message.customer)
        _ = try await authenticator.authenticate(
            message.customer, password: message.password, source: message.source, context: context)
        let hash = try await authenticator.hash(message.newPassword, source: SourceKey(message.source))
        let now = clock()
        return try await once(message, context) { db in
            try db.setPassword(hash, of: message.customer, at: now)
            return Done()
        }
    }

    private func placeOrder(_ message: AuthOrder, _ context: RequestContext) async throws -> AuthOrder.Reply {
        let now = clock()
        let reply = try await once(message, context) { db in
            let offers = try message.items.map { item in
                guard let offer = try db.offer(of: item, to: message.customer, at: now) else {
                    throw Failure(
                        .notEntitled,
                        "\(message.customer) is not entitled to \(item.product) \(item.version), or no longer; nothing was ordered"
                    )
                }
                return offer
            }
            let policy = strictest(offers.map(\.entitlement.policy))
            let until = offers.compactMap(\.entitlement.until).min()
            let number = try db.insert(
                NewOrder(
                    customer: message.customer, items: offers, placed: now, source: message.source, policy: policy,
                    until: until, trace: context.trace))
            return AuthOrder.Reply(order: number, policy: policy, until: until)
        }
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

/// Cut, then the shortest grace, then finish.
func strictest(_ policies: [ExpiryPolicy]) -> ExpiryPolicy {
    if policies.contains(.cut) { return .cut }
    let grace = policies.compactMap { policy -> Int? in
        if case .grace(let seconds) = policy { seconds } else { nil }
    }.min()
    return grace.map { .grace(seconds: $0) } ?? .finish
}
