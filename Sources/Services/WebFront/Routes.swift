import Logging
import FFSModel

/// One row of the table that is the whole of what ffswebd answers.
///
/// To add a page: a row here, a handler in Pages/ or API/, a template in Templates/; ffswebd(8) lists the API's rows.
struct Route: Sendable {
    /// What must be true before the handler runs. The gate is checked here, so that no handler can forget it.
    enum Gate: Sendable {
        /// Anyone.
        case open
        /// A signed-in browser; others are sent to sign in.
        case session
        /// A form of ours, from our own page, with its token; a visitor may not be signed in.
        case form
        /// The same, signed in.
        case sessionForm
        /// The API: anyone.
        case apiOpen
        /// The API with a bearer token of a live session.
        case api
        /// This machine alone.
        case loopback
    }

    typealias Handler = @Sendable (WebFront) -> @Sendable (Visit, AccountID?) async throws -> WebResponse

    let method: WebRequest.Method
    /// Path with `{account}` where an account's id stands.
    let pattern: String
    let gate: Gate
    let handler: Handler

    /// For logs and metrics: bounded, however many accounts there are.
    var name: String { "\(method.rawValue) \(pattern)" }

    init(_ method: WebRequest.Method, _ pattern: String, _ gate: Gate, _ handler: @escaping Handler) {
        self.method = method
        self.pattern = pattern
        self.gate = gate
        self.handler = handler
        segments = pattern.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    }

    static let all: [Route] = [
        Route(.get, "/", .session) { $0.catalogue },
        Route(.get, "/sign-in", .open) { $0.signInForm },
        Route(.post, "/sign-in", .form) { $0.signIn },
        Route(.post, "/sign-out", .form) { $0.signOut },
        Route(.get, "/accounts", .session) { $0.accountList },
        Route(.post, "/accounts", .sessionForm) { $0.createAccount },
        Route(.get, "/accounts/{account}", .session) { $0.accountPage },
        Route(.get, "/accounts/{account}/SHA256SUMS", .session) { $0.checksums },
        Route(.post, "/accounts/{account}/extend", .sessionForm) { $0.extendAccount },
        Route(.post, "/accounts/{account}/revoke", .sessionForm) { $0.revokeAccount },
        Route(.get, "/password", .session) { $0.passwordForm },
        Route(.post, "/password", .sessionForm) { $0.changePassword },
        Route(.get, "/status", .loopback) { $0.status },
        Route(.get, "/certificate.pem", .open) { $0.certificate },
        Route(.get, "/robots.txt", .open) { $0.robots },
        Route(.get, "/assets/site.css", .open) { front in { _, _ in front.assets.style.response } },
        Route(.get, "/assets/site.js", .open) { front in { _, _ in front.assets.script.response } },
        Route(.get, "/assets/icon.svg", .open) { front in { _, _ in front.assets.icon.response } },
        Route(.post, "/api/v1/sessions", .apiOpen) { $0.apiSignIn },
        Route(.delete, "/api/v1/sessions/current", .api) { $0.apiSignOut },
        Route(.get, "/api/v1/entitlements", .api) { $0.apiEntitlements },
        Route(.get, "/api/v1/accounts", .api) { $0.apiAccounts },
        Route(.post, "/api/v1/accounts", .api) { $0.apiCreateAccount },
        Route(.get, "/api/v1/accounts/{account}", .api) { $0.apiAccount },
        Route(.post, "/api/v1/accounts/{account}/extend", .api) { $0.apiExtend },
        Route(.delete, "/api/v1/accounts/{account}", .api) { $0.apiRevoke },
        Route(.post, "/api/v1/password", .api) { $0.apiPassword },
    ]

    enum Match {
        case found(Route, AccountID?)
        /// The path is served, by these methods.
        case wrongMethod([String])
        case none
    }

    static func find(_ method: WebRequest.Method, _ path: String) -> Match {
        let segments = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        var allowed: [String] = []
        for route in all {
            guard case .some(let account) = route.match(segments) else { continue }
            if route.method == method || (method == .head && route.method == .get) { return .found(route, account) }
            allowed.append(route.method.rawValue)
            if route.method == .get { allowed.append("HEAD") }
        }
        return allowed.isEmpty ? .none : .wrongMethod(allowed)
    }

    /// Whether a browser may be sent to `path` after signing in: one of our own pages, nothing else.
    static func isPage(_ path: String) -> Bool {
        guard case .found(let route, _) = find(.get, path) else { return false }
        return route.gate == .session
    }

    /// Checks the gate, then runs the handler.
    func run(_ front: WebFront, _ visit: Visit, _ account: AccountID?) async throws -> WebResponse {
        try front.admit(visit, by: gate)
        return try await handler(front)(visit, account)
    }

    private let segments: [String]

    /// nil when the path is another; `.some(nil)` when it matches and names no account.
    private func match(_ path: [String]) -> AccountID?? {
        guard path.count == segments.count else { return nil }
        var account: AccountID?
        for (segment, given) in zip(segments, path) {
            if segment == "{account}" {
                guard let id = try? AccountID(given) else { return nil }
                account = id
            } else if segment != given {
                return nil
            }
        }
        return .some(account)
    }
}

extension WebFront {
    fileprivate func admit(_ visit: Visit, by gate: Route.Gate) throws {
        switch gate {
        case .open, .apiOpen: break
        case .session: try requireSession(visit)
        case .form: try requireForm(visit)
        case .sessionForm:
            try requireSession(visit)
            try requireForm(visit)
        case .api:
            guard visit.session != nil else {
                throw Refusal(response: apiError(status: 401, code: "unauthorized", "sign in for a bearer token"))
            }
        case .loopback:
            guard visit.request.source.isLoopback else {
                throw Refusal(response: errorResponse(status: 404, for: visit))
            }
        }
    }

    /// Sends others to sign in, and back to the page they wanted.
    private func requireSession(_ visit: Visit) throws {
        guard visit.session == nil else { return }
        let wanted = visit.request.path
        let back =
            visit.request.method == .get && wanted != "/" && Route.isPage(wanted)
            ? "?next=\(Escaping.urlQuery(wanted))" : visit.isNewcomer ? "" : "?ended"
        throw Refusal(response: .seeOther("/sign-in\(back)"))
    }

    private func requireForm(_ visit: Visit) throws {
        guard visit.isSameOrigin, forms.accepts(try visit.request.form()["csrf"], for: visit.token) else {
            log.notice(
                "form refused",
                metadata: [
                    "source": "\(visit.request.source.address)", "trace": "\(visit.trace)",
                    "origin": "\(visit.isSameOrigin ? "own" : "foreign")",
                ])
            throw Refusal(response: errorResponse(status: 403, for: visit))
        }
    }
}
