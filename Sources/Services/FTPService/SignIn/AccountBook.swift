package import Clients
package import FFSModel
package import Logging
import Requests
import SystemSupport

/// Which account each customer has by signing in with their own name, so that `lftp pget -n 8` stages one and not eight.
///
/// Sign-ins of one customer that come together share one look at the entitlements and one account. Later ones get the
/// same account as long as what the customer may have is the same and the account is in the first half of its life;
/// and until it ends when it holds something that they could not order again.
/// A book that was lost (the gate was started again) writes itself anew: ids of orders follow from customer, items and time, ids of accounts from their orders; and ffsauthd shows what only a resumed order can have.
package actor AccountBook {
    /// Something the customer may have, as far as an account depends on it.
    private struct Offer: Hashable, Sendable {
        let item: Item
        let released: Timestamp
        let until: Timestamp?
        let policy: ExpiryPolicy

        init(_ entitlement: Entitlement) {
            item = entitlement.item
            released = entitlement.released
            until = entitlement.until
            policy = entitlement.policy
        }

        /// For request ids: other terms are another wish.
        var text: String { "\(item.folder) \(until.map { "\($0)" } ?? "-") \(policy)" }
    }

    private struct Held: Sendable {
        let offers: [Offer]
        let account: AccountID
        let order: Int
        /// From then on a sign-in gets another account.
        let renewal: Timestamp
    }

    private typealias Outcome = Result<AccountID?, Failure>

    private let auth: AuthClient
    private let staging: StagingClient
    private let lifetime: Int
    private let clock: @Sendable () -> Timestamp
    private let log: Logger
    /// A convenience: whoever is dropped gets the same answer by the same request id.
    private var held: BoundedMap<CustomerName, Held>
    private var underWay: [CustomerName: Task<Outcome, Never>] = [:]

    /// - Parameters:
    ///   - lifetime: of an account, in seconds.
    ///   - capacity: customers remembered.
    package init(
        auth: AuthClient, staging: StagingClient, lifetime: Int, capacity: Int = 16_384,
        clock: @escaping @Sendable () -> Timestamp, log: Logger
    ) {
        self.auth = auth
        self.staging = staging
        self.lifetime = lifetime
        held = BoundedMap(capacity: capacity)
        self.clock = clock
        self.log = log
    }

    /// The account of a customer whose password was right; nil when there is nothing that they may have.
    package func account(
        for customer: CustomerName, source: String, trace: TraceID
    ) async throws(Failure) -> AccountID? {
        if let task = underWay[customer] { return try await task.value.get() }
        let task = Task<Outcome, Never> {
            do throws(Failure) { return .success(try await find(customer, source, trace)) } catch {
                return .failure(error)
            }
        }
        underWay[customer] = task
        let outcome = await task.value
        underWay[customer] = nil
        return try outcome.get()
    }

    private func find(_ customer: CustomerName, _ source: String, _ trace: TraceID) async throws(Failure) -> AccountID?
    {
        let known = try await known(customer, trace)
        if let known, clock() < known.held.renewal, newest(known.allowed) == known.held.offers {
            return known.held.account
        }
        let all = try await auth.entitlements(of: customer, resume: known == nil, trace: trace)
        let offers = newest(Set(all.filter { !$0.isHeld }.map(Offer.init)))
        // What has an order limit may be used up by the account that there is: that one stays until it ends.
        if let known, !Set(known.held.offers.map(\.item.product)).isSubset(of: offers.map(\.item.product)) {
            return known.held.account
        }
        if all.contains(where: \.isHeld), let resumed = try await resume(customer, all, source, trace) {
            held[customer] = resumed
            return resumed.account
        }
        guard !offers.isEmpty else { return nil }
        let made = try await make(customer, offers, source, trace)
        held[customer] = made
        return made.account
    }

    /// The account of before, and what the customer may have now if its order does not count; nil when it has ended, or
    /// holds something that the customer may have no longer, or under other terms.
    private func known(
        _ customer: CustomerName, _ trace: TraceID
    ) async throws(Failure) -> (held: Held, allowed: Set<Offer>)? {
        guard let held = held[customer] else { return nil }
        let allowed = Set(
            try await auth.entitlements(of: customer, holding: held.order, trace: trace).map(Offer.init))
        guard allowed.isSuperset(of: held.offers), try await lives(held.account, trace) else { return nil }
        return (held, allowed)
    }

    /// The newest version of each product, sorted; what one account can hold.
    private func newest(_ offers: Set<Offer>) -> [Offer] {
        let newest = Dictionary(grouping: offers, by: \.item.product).values.compactMap { versions in
            versions.max { ($0.released, $0.item.version) < ($1.released, $1.item.version) }
        }.sorted { ($0.released, $0.item.folder) > ($1.released, $1.item.folder) }
        var folders: Set<String> = []
        // Product a-b in version c and product a in version b-c would share a folder: the newer one has it.
        let kept = newest.filter { folders.insert($0.item.folder).inserted }.prefix(AuthOrder.mostItems)
        if kept.count < newest.count {
            log.notice(
                "an account cannot hold all that the customer may have; the newest go in",
                metadata: ["products": "\(newest.count)", "held": "\(kept.count)"])
        }
        return kept.sorted { $0.item.folder < $1.item.folder }
    }

    private func lives(_ account: AccountID, _ trace: TraceID) async throws(Failure) -> Bool {
        do { return try await staging.status(account, trace: trace).expires > clock() } catch {
            guard error.code == .gone || error.code == .notFound else { throw error }
            return false
        }
    }

    // MARK: A new account

    /// The account of the order that holds something; nil when that has ended, or the order was of other things.
    private func resume(
        _ customer: CustomerName, _ all: [Entitlement], _ source: String, _ trace: TraceID
    ) async throws(Failure) -> Held? {
        do { return try await make(customer, newest(Set(all.map(Offer.init))), source, trace) } catch {
            guard error.code == .notEntitled || error.code == .gone else { throw error }
            return nil
        }
    }

    private static let mostAttempts = 4

    private func make(
        _ customer: CustomerName, _ offers: [Offer], _ source: String, _ trace: TraceID
    ) async throws(Failure) -> Held {
        let items = offers.map(\.item)
        let window = Int(clock().seconds) / max(1, lifetime / 2)
        let wish = ["sign-in order", customer.text, "\(window)", "\(lifetime)"] + offers.map(\.text)
        var last: Int?
        // An order whose account has ended gets no second one; a new order, if it is allowed, does.
        for attempt in 0..<Self.mostAttempts {
            let order = try await auth.order(
                customer: customer, items: items, source: source, id: .derived(from: wish + ["\(attempt)"]),
                trace: trace)
            guard order.order != last else { break }
            last = order.order
            let until = (offers.map(\.until) + [order.until]).compactMap(\.self).min()
            let life = until.map { min(lifetime, Int($0 - clock())) } ?? lifetime
            guard life > 0 else { break }
            do throws(Failure) {
                let account = try await staging.create(
                    for: order, customer, items: items, lifetime: life, trace: trace)
                let isBounded = until.map { $0 <= account.expires } ?? false
                return Held(
                    offers: offers, account: account.account, order: order.order,
                    renewal: isBounded ? account.expires : account.expires + -Int64(lifetime / 2))
            } catch { guard error.code == .gone else { throw error } }
        }
        throw Failure(.gone, "what \(customer) was entitled to has just ended")
    }
}
