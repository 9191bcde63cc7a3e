import FFSModel
import Logging

/// One row of the table that is the whole of what ffswebd answers.
///
/// To add a page: a row here, a handler in Pages/ or API/, a template in Templates/; ffswebd(8) lists the API's rows.
///
/// What must be true before a handler runs follows from its row, so that neither row nor handler can forget it: a
/// handler that takes a customer runs for a live session alone, and whatever is posted outside the API is a form of
/// ours, from our own page, with its token.
struct Route: Sendable {
    enum Handler: Sendable {
        typealias Open = @Sendable (Visit) async throws -> WebResponse
        typealias SignedIn = @Sendable (Visit, Session) async throws -> WebResponse
        typealias OfAccount = @Sendable (Visit, Session, AccountID) async throws -> WebResponse

        /// Anyone.
        case open(@Sendable (WebFront) -> Open)
        /// Who is signed in: browsers are sent to sign in, programs answered 401.
        case signedIn(@Sendable (WebFront) -> SignedIn)
        /// The same, about the account that the path names.
        case ofAccount(@Sendable (WebFront) -> OfAccount)
    }

    let method: WebRequest.Method
    /// Path with `{account}` where an account's id stands.
    let pattern: String
    let handler: Handler

    /// For logs and metrics: bounded, however many accounts there are.
    var name: String { "\(method.rawValue) \(pattern)" }

    /// Whether it takes a form of ours and nothing else. The API has no cookies, so that no other site can use them.
    var isForm: Bool { method == .post && !Visit.isAPI(pattern) }

    var needsSession: Bool { if case .open = handler { false } else { true } }

    init(_ method: WebRequest.Method, _ pattern: String, _ handler: Handler) {
        self.method = method
        self.pattern = pattern
        self.handler = handler
        segments = Self.segments(pattern)
    }

    static let all: [Route] = [
        Route(.get, "/", .signedIn { $0.catalogue }),
        Route(.get, "/sign-in", .open { $0.signInForm }),
        Route(.post, "/sign-in", .open { $0.signIn }),
        Route(.post, "/sign-out", .open { $0.signOut }),
        Route(.get, "/accounts", .signedIn { $0.accountList }),
        Route(.post, "/accounts", .signedIn { $0.createAccount }),
        Route(.get, "/accounts/{account}", .ofAccount { $0.accountPage }),
        Route(.get, "/accounts/{account}/SHA256SUMS", .ofAccount { $0.checksums }),
        Route(.post, "/accounts/{account}/extend", .ofAccount { $0.extendAccount }),
        Route(.post, "/accounts/{account}/revoke", .ofAccount { $0.revokeAccount }),
        Route(.get, "/password", .signedIn { $0.passwordForm }),
        Route(.post, "/password", .signedIn { $0.changePassword }),
        Route(.get, "/status", .open { $0.status }),
        Route(.get, "/accounts/{account}/certificate.pem", .ofAccount { $0.certificate }),
        Route(.get, "/robots.txt", .open { $0.robots }),
        Route(.get, "/assets/site.css", .open { front in { _ in front.assets.style.response } }),
        Route(.get, "/assets/site.js", .open { front in { _ in front.assets.script.response } }),
        Route(.get, "/assets/icon.svg", .open { front in { _ in front.assets.icon.response } }),
        Route(.post, "/api/v1/sessions", .open { $0.apiSignIn }),
        Route(.delete, "/api/v1/sessions/current", .signedIn { $0.apiSignOut }),
        Route(.get, "/api/v1/entitlements", .signedIn { $0.apiEntitlements }),
        Route(.get, "/api/v1/accounts", .signedIn { $0.apiAccounts }),
        Route(.post, "/api/v1/accounts", .signedIn { $0.apiCreateAccount }),
        Route(.get, "/api/v1/accounts/{account}", .ofAccount { $0.apiAccount }),
        Route(.post, "/api/v1/accounts/{account}/extend", .ofAccount { $0.apiExtend }),
        Route(.delete, "/api/v1/accounts/{account}", .ofAccount { $0.apiRevoke }),
        Route(.post, "/api/v1/password", .signedIn { $0.apiPassword }),
    ]

    enum Match {
        case found(Route, AccountID?)
        /// The path is served, by these methods.
        case wrongMethod([String])
        case none
    }

    static func find(_ method: WebRequest.Method, _ path: String) -> Match {
        let segments = segments(path)
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
        guard !Visit.isAPI(path), case .found(let route, _) = find(.get, path) else { return false }
        return route.needsSession
    }

    /// Checks what the row demands, then runs the handler.
    func run(_ front: WebFront, _ visit: Visit, _ account: AccountID?) async throws -> WebResponse {
        let session = needsSession ? try front.requireSession(visit) : nil
        if isForm { try front.requireForm(visit) }
        switch (handler, session, account) {
        case (.open(let handler), _, _): return try await handler(front)(visit)
        case (.signedIn(let handler), let session?, _): return try await handler(front)(visit, session)
        case (.ofAccount(let handler), let session?, let account?):
            return try await handler(front)(visit, session, account)
        case (.signedIn, _, _), (.ofAccount, _, _):
            throw Failure(.internal, "the row \(name) names no account; this build is broken")
        }
    }

    private let segments: [[UInt8]]

    private static let account = Array("{account}".utf8)

    private static func segments(_ path: String) -> [[UInt8]] {
        path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map(Array.init)
    }

    /// nil when the path is another; `.some(nil)` when it matches and names no account.
    private func match(_ path: [[UInt8]]) -> AccountID?? {
        guard path.count == segments.count else { return nil }
        var account: AccountID?
        for (segment, given) in zip(segments, path) {
            if segment == Self.account {
                guard let id = try? AccountID(String(decoding: given, as: UTF8.self)) else { return nil }
                account = id
            } else if segment != given {
                return nil
            }
        }
        return .some(account)
    }
}

extension WebFront {
    /// The visit's session. Sends browsers without one to sign in, and back to the page they wanted.
    fileprivate func requireSession(_ visit: Visit) throws -> Session {
        if let session = visit.session { return session }
        guard !visit.isAPI else {
            throw Refusal(response: apiError(status: 401, code: "unauthorized", "Sign in for a bearer token."))
        }
        let wanted = visit.request.path
        let back =
            visit.request.method == .get && !wanted.isSame(as: "/") && Route.isPage(wanted)
            ? "?next=\(Escaping.urlQuery(wanted))" : visit.isNewcomer ? "" : "?ended"
        throw Refusal(response: .seeOther("/sign-in\(back)"))
    }

    /// What a session gets that ffsauthd no longer knows, on this host or another: the sign-in page, with the reason.
    func endSession(_ visit: Visit, _ failure: Failure) -> WebResponse {
        sessions.close(visit.token)
        let response = errorResponse(failure, for: visit)
        return visit.isAPI ? response : .seeOther("/sign-in?changed").setting("set-cookie", visit.cookie(nil))
    }

    fileprivate func requireForm(_ visit: Visit) throws {
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
