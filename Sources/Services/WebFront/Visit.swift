import FFSModel

/// One request with what is known about who makes it.
struct Visit: Sendable {
    let request: WebRequest
    let trace: TraceID
    /// The token the browser or program presented; a fresh one for a visitor without.
    let token: SessionToken
    /// Whether `token` is fresh, so that a page with a form must set the cookie.
    let isNewcomer: Bool
    /// The session that `token` opens, nil for everyone who is not signed in.
    let session: Session?

    /// Whether the JSON API is asked, which takes bearer tokens alone: no cookie acts there, so no other site's page
    /// can make a browser act.
    var isAPI: Bool { Self.isAPI(request.path) }

    static func isAPI(_ path: String) -> Bool { path.starts(bytes: "/api/") }

    init(_ request: WebRequest, front: WebFront) {
        self.request = request
        trace = .random()
        let presented =
            Self.isAPI(request.path)
            ? Self.bearer(request)
            : request.cookie(Self.cookieName(secure: request.isSecure)).flatMap(SessionToken.init)
        token = presented ?? .random()
        isNewcomer = presented == nil
        session = presented.flatMap { front.sessions.use($0, at: front.clocks.steady()) }
    }

    /// `__Host-` makes browsers insist on Secure, this host alone and path `/`; they do so over TLS only.
    static func cookieName(secure: Bool) -> String { secure ? "__Host-ffs" : "ffs" }

    /// The `Set-Cookie` value that gives the browser `token`, or takes it away when nil.
    func cookie(_ token: SessionToken?) -> String {
        let name = Self.cookieName(secure: request.isSecure)
        let end = token == nil ? "; Max-Age=0" : ""
        let secure = request.isSecure ? "; Secure" : ""
        return "\(name)=\(token?.text ?? "")\(end); Path=/\(secure); HttpOnly; SameSite=Strict"
    }

    private static func bearer(_ request: WebRequest) -> SessionToken? {
        let parts = (request.headers["authorization"] ?? "").parts(" ", most: 2)
        guard parts.count == 2, parts[0].token == "bearer" else { return nil }
        return SessionToken(parts[1])
    }

    /// Whether a form's post comes from one of our own pages, as far as the browser tells: `Origin` where it is sent,
    /// else `Sec-Fetch-Site`. Programs send neither; the form's token is what they must have.
    var isSameOrigin: Bool {
        let scheme = request.isSecure ? "https" : "http"
        if let origin = request.headers["origin"] {
            guard let host = request.headers["host"] else { return false }
            return origin.token.isSame(as: "\(scheme)://\(host)".token)
        }
        if let site = request.headers["sec-fetch-site"] { return site == "same-origin" || site == "none" }
        return true
    }
}

/// A response that ends a handler early, thrown from where the reason is found.
struct Refusal: Error {
    let response: WebResponse
}
