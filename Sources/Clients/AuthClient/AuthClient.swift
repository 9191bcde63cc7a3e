package import FFSModel
package import Requests

/// What ffsauthd(8) does for the web front, as calls: one for each `auth.*` request (ffs-commlink(7)).
///
/// Every call throws the ``Failure`` of an error reply, or `unreachable` when no peer answered.
/// `trace` joins the call to the customer's action in every log.
package struct AuthClient: Sendable {
    private let transport: any RequestTransport

    package init(_ transport: any RequestTransport) { self.transport = transport }

    /// Throws `login-refused` for every kind of refusal, `locked-out` and `busy` with seconds to wait.
    package func login(
        customer: CustomerName, password: [UInt8], source: String, trace: TraceID? = nil
    ) async throws(Failure) -> AuthLogin.Reply {
        try await transport.send(AuthLogin(customer: customer, password: password, source: source), trace: trace)
    }

    /// Everything the customer may have now.
    package func entitlements(of customer: CustomerName, trace: TraceID? = nil) async throws(Failure) -> [Entitlement] {
        try await transport.send(AuthEntitlements(customer: customer), trace: trace).entitlements
    }

    /// Authorises and records an order; the same `id` never makes a second one. Throws `not-entitled`
    /// for the whole when one item is not allowed.
    package func order(
        customer: CustomerName, items: [Item], source: String, id: RequestID, trace: TraceID? = nil
    ) async throws(Failure) -> AuthOrder.Reply {
        try await transport.send(AuthOrder(customer: customer, items: items, source: source), id: id, trace: trace)
    }

    /// Changes the customer's own password; counts as a sign-in attempt.
    package func changePassword(
        customer: CustomerName, password: [UInt8], newPassword: [UInt8], source: String, trace: TraceID? = nil
    ) async throws(Failure) {
        _ = try await transport.send(
            AuthPassword(customer: customer, password: password, newPassword: newPassword, source: source),
            trace: trace)
    }

    /// Whether ffsauthd answers, and which version it is.
    package func ping(trace: TraceID? = nil) async throws(Failure) -> Ping.Reply {
        try await transport.send(Ping(), trace: trace)
    }
}
