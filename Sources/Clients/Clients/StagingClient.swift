package import FFSModel
package import Requests

/// What ffsstaged(8) does for its clients, as calls: one for each `stage.*` request (ffs-commlink(7)).
///
/// Every call throws the ``Failure`` of an error reply, or `unreachable` when no peer answered.
/// `trace` joins the call to the customer's action in every log.
package struct StagingClient: Sendable {
    private let transport: any RequestTransport

    package init(_ transport: any RequestTransport) { self.transport = transport }

    /// Builds and publishes an account. The same `id` always gives the same account and password,
    /// so a caller that got no answer sends it again.
    package func create(_ request: StageCreate, id: RequestID, trace: TraceID? = nil) async throws(Failure)
        -> StagedAccount
    {
        try await transport.send(request, id: id, trace: trace)
    }

    /// Builds and publishes the account of an order, or gives it again with its password: an order has one account,
    /// whoever asks for it, however often and with which lifetime. Throws `gone` once that has ended, `not-found` where the
    /// storage host does not have just the content that was ordered.
    package func create(
        for order: AuthOrder.Reply, _ customer: CustomerName, items: [Item], lifetime: Int, trace: TraceID? = nil
    ) async throws(Failure) -> StagedAccount {
        try await create(
            StageCreate(
                customer: customer, items: items, lifetime: lifetime, policy: order.policy, order: order.order,
                terms: order.terms, position: order.position),
            id: .derived(from: ["the account of an order", customer.text, "\(order.order)"]), trace: trace)
    }

    /// Moves the expiry to `lifetime` seconds from now.
    package func extend(_ account: AccountID, lifetime: Int, trace: TraceID? = nil) async throws(Failure)
        -> StagedAccount
    {
        try await transport.send(StageExtend(account: account, lifetime: lifetime), trace: trace)
    }

    /// Withdraws an account now; without `policy` the account's own decides about running downloads.
    package func revoke(_ account: AccountID, policy: ExpiryPolicy? = nil, trace: TraceID? = nil) async throws(Failure)
    {
        _ = try await transport.send(StageRevoke(account: account, policy: policy), trace: trace)
    }

    /// One account as it is; throws `gone` once it is withdrawn, `not-found` when it never was.
    package func status(_ account: AccountID, trace: TraceID? = nil) async throws(Failure) -> StagedAccount {
        try await transport.send(StageStatus(account: account), trace: trace)
    }

    /// One page of accounts, newest first; `limit` is 1 to 500.
    ///
    /// - Parameter after: where the last row of the page before stands.
    package func list(
        customer: CustomerName? = nil, after: StageList.Place? = nil, limit: Int = 500, trace: TraceID? = nil
    ) async throws(Failure) -> StageList.Reply {
        try await transport.send(
            StageList(customer: customer, after: after, limit: limit), trace: trace)
    }

    /// Whether ffsstaged answers, and which version it is.
    package func ping(trace: TraceID? = nil) async throws(Failure) -> Ping.Reply {
        try await transport.send(Ping(), trace: trace)
    }
}
