import ChangeFeed
import Clients
import FFSModel
import Logging
import Requests
import StoredFormats

/// Finds out whether an order still stands before anything is built for it.
struct OrderDesk: Sendable {
    let feed: FeedGuard
    let auth: AuthClient
    /// Whether an order that nobody can be asked about is served all the same.
    let servesStale: Bool
    /// How long a request waits for a lease, as right after a start.
    var patience = Duration.seconds(3)
    let logger: Logger

    /// A claim by what the order itself says; nil when it has to be asked about.
    func claimAtOnce(_ request: StageCreate) -> FeedGuard.Claim? {
        request.position.flatMap {
            feed.claim(FeedKey.account(of: request.customer, request.items), orderedAt: $0)
        }
    }

    /// A claim to publish an account of this order, good until a change overtakes it.
    ///
    /// - Throws: `not-entitled` when the order does not stand, `busy` when that cannot be checked now.
    func claim(_ request: StageCreate, trace: TraceID) async throws(Failure) -> FeedGuard.Claim {
        try await awaitLease()
        let keys = FeedKey.account(of: request.customer, request.items)
        return try await ask(about: request.order, of: request.customer, keys, trace: trace)
    }

    private func awaitLease() async throws(Failure) {
        let end = ContinuousClock.now + patience
        while true {
            do throws(Failure) { return try feed.admit() } catch {
                guard ContinuousClock.now < end else { throw error }
            }
            do { try await Task.sleep(for: .milliseconds(20)) } catch { throw FeedGuard.unchecked }
        }
    }

    /// The same for an account that is built already: it has to end by `expires`.
    func renew(_ record: AccountRecord) async throws(Failure) -> FeedGuard.Claim {
        let keys = FeedKey.account(of: record.customer, record.items)
        let claim = try await ask(
            about: record.order, of: record.customer, keys, trace: record.origin?.trace ?? .random())
        guard claim.until.map({ $0 >= record.expires }) ?? true else {
            throw Failure(
                .busy, "what order \(record.order) allows has just changed; repeat the request", retryAfter: 1)
        }
        return claim
    }

    private func ask(
        about order: Int, of customer: CustomerName, _ keys: Set<FeedKey>, trace: TraceID
    ) async throws(Failure) -> FeedGuard.Claim {
        // Before the question: what changes while it is under way overtakes its answer.
        let ticket = feed.enter(keys)
        let reply: OrderCheck.Reply
        do throws(Failure) { reply = try await auth.send(OrderCheck(orders: [order]), trace: trace) } catch {
            guard servesStale else {
                feed.leave(ticket)
                throw Failure(.busy, FeedGuard.unchecked.text, cause: error.description, retryAfter: 2)
            }
            logger.warning(
                "an order is served that could not be checked (staging.leases: serve-stale): \(error)",
                metadata: ["order": "\(order)", "customer": "\(customer)", "trace": "\(trace)"])
            return feed.claim(ticket, at: nil)
        }
        guard let standing = reply.standings.first(where: { $0.order == order }), standing.stands else {
            feed.leave(ticket)
            throw Failure(
                .notEntitled,
                "\(customer) is no longer entitled to all that order \(order) holds; order anew what is still offered")
        }
        return feed.claim(ticket, at: reply.position, until: standing.until)
    }
}
