package import FFSModel
package import Requests

/// What ffsauthd(8) does for other programs, as calls: sign-in and orders for ffswebd, and by ``send(_:id:trace:)``
/// administration for ffsctl. A value over any transport: a commlink, a control socket, or the service itself.
///
/// Every call throws the ``Failure`` of an error reply, or `unreachable` when no peer answered.
/// `trace` joins the call to the customer's action in every log.
package struct AuthClient: Sendable {
    private let transport: any RequestTransport

    package init(_ transport: any RequestTransport) { self.transport = transport }

    /// Sends any of ffsauthd's requests.
    ///
    /// - Parameter id: give the id of an earlier attempt to repeat that attempt: it is carried out at most once.
    package func send<Message: RequestMessage>(
        _ message: Message, id: RequestID = .random(), trace: TraceID? = nil
    ) async throws(Failure) -> Message.Reply {
        try await transport.send(message, id: id, trace: trace)
    }

    /// Throws `login-refused` for every kind of refusal, `locked-out` and `busy` with seconds to wait.
    ///
    /// - Parameter source: the customer's network address in text, `-` when it is not known.
    package func login(
        customer: CustomerName, password: [UInt8], source: String, trace: TraceID? = nil
    ) async throws(Failure) -> AuthLogin.Reply {
        try await send(AuthLogin(customer: customer, password: password, source: source), trace: trace)
    }

    /// Throws `session-ended` unless the sign-in (or password change) that gave `generation` still stands.
    package func checkSession(
        of customer: CustomerName, generation: Int, trace: TraceID? = nil
    ) async throws(Failure) {
        _ = try await send(AuthSession(customer: customer, generation: generation), trace: trace)
    }

    /// Everything the customer may have now, newest release first within each product; every page of it.
    ///
    /// - Parameters:
    ///   - generation: the session's, from ``login(customer:password:source:trace:)``; `session-ended` when it is over.
    ///   - items: these alone, as far as the customer may have them, in one question; empty for everything.
    ///   - holding: an order that does not count against order limits (``AuthEntitlements/holding``).
    ///   - resume: also what an order can be resumed for (``Entitlement/isHeld``).
    package func entitlements(
        of customer: CustomerName, generation: Int? = nil, items: [Item] = [], holding: Int? = nil,
        resume: Bool = false, trace: TraceID? = nil
    ) async throws(Failure) -> [Entitlement] {
        var all: [Entitlement] = []
        while true {
            let page = try await send(
                AuthEntitlements(
                    customer: customer, generation: generation, after: all.last?.item, items: items, holding: holding,
                    resume: resume),
                trace: trace)
            all += page.entitlements
            guard items.isEmpty, page.more, !page.entitlements.isEmpty else { return all }
        }
    }

    /// One page of what the customer may have: so many products, with what the words of `search` find in them.
    ///
    /// - Parameters:
    ///   - generation: the session's; `session-ended` when it is over.
    ///   - resume: also what an order can be resumed for (``Entitlement/isHeld``).
    ///   - after: the last item of the page before; throws `bad-request` when it is gone meanwhile.
    /// - Returns: the page, whether another follows, and the number of products on all pages.
    package func catalogue(
        of customer: CustomerName, generation: Int? = nil, search: String? = nil, after: Item? = nil, products: Int,
        resume: Bool = false, trace: TraceID? = nil
    ) async throws(Failure) -> AuthEntitlements.Reply {
        try await send(
            AuthEntitlements(
                customer: customer, generation: generation, after: after, search: search, products: products,
                resume: resume),
            trace: trace)
    }

    /// Authorises and records an order; the same `id` never makes a second one, and gets the first as long as its items
    /// are still allowed. Throws `not-entitled` for the whole when one item is not, `session-ended` for a `generation`
    /// that is over.
    package func order(
        customer: CustomerName, generation: Int? = nil, items: [Item], lifetime: Int? = nil, source: String,
        id: RequestID, trace: TraceID? = nil
    ) async throws(Failure) -> AuthOrder.Reply {
        try await send(
            AuthOrder(customer: customer, generation: generation, items: items, lifetime: lifetime, source: source),
            id: id, trace: trace)
    }

    /// Changes the customer's own password; counts as a sign-in attempt. Returns the generation of the session in which
    /// it was done; every other session of the customer is over.
    @discardableResult
    package func changePassword(
        customer: CustomerName, password: [UInt8], newPassword: [UInt8], source: String, trace: TraceID? = nil
    ) async throws(Failure) -> Int {
        let change = AuthPassword(customer: customer, password: password, newPassword: newPassword, source: source)
        return try await send(change, trace: trace).generation
    }

    /// Whether ffsauthd answers, and which version it is.
    package func ping(trace: TraceID? = nil) async throws(Failure) -> Ping.Reply {
        try await send(Ping(), trace: trace)
    }
}
