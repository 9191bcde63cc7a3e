import Clients
import Logging
import FFSModel
import Requests
import Tobj

/// Signing in and out.
extension WebFront {
    func signInForm(_ visit: Visit) async throws -> WebResponse {
        let next = visit.request.query["next"].flatMap { Route.isPage($0) ? $0 : nil }
        if visit.session != nil { return .seeOther(next ?? "/") }
        var note: String?
        if visit.request.query["ended"] != nil { note = "Your session has ended. Please sign in again." }
        if visit.request.query["changed"] != nil {
            note = "Your password or your access has changed since you signed in. Please sign in again."
        }
        if visit.request.query["out"] != nil { note = "You are signed out." }
        if next != nil { note = "Please sign in to see that page." }
        return signInPage(visit, next: next, note: note)
    }

    func signIn(_ visit: Visit) async throws -> WebResponse {
        let form = try visit.request.form()
        let next = form["next"].flatMap { Route.isPage($0) ? $0 : nil }
        let typed = form["customer"] ?? ""
        do {
            let (token, _) = try await openSession(customer: typed, password: form["password"] ?? "", visit: visit)
            return .seeOther(next ?? "/").setting("set-cookie", visit.cookie(token))
        } catch {
            guard [.loginRefused, .lockedOut, .busy].contains(error.code) else { throw error }
            var response = signInPage(
                visit, next: next, problem: wording(error), customer: typed, status: PublicError(error).status)
            if let seconds = error.retryAfter { response.set("retry-after", "\(seconds)") }
            return response
        }
    }

    func signOut(_ visit: Visit) async throws -> WebResponse {
        sessions.close(visit.token)
        return .seeOther("/sign-in?out").setting("set-cookie", visit.cookie(nil))
    }

    /// Asks ffsauthd and opens a session; for pages and the API alike.
    ///
    /// A name that cannot be one is refused like a wrong password, and every attempt counts against its source.
    func openSession(
        customer: String, password: String, visit: Visit
    ) async throws(Failure) -> (SessionToken, AuthLogin.Reply) {
        try countAttempt(visit)
        let bytes = Array(password.utf8)
        guard let name = try? CustomerName(customer), !bytes.isEmpty, bytes.count <= Fields.passwordBytes else {
            throw Failure(.loginRefused, "sign-in refused: not a customer name, or an impossible password")
        }
        let reply = try await auth.login(
            customer: name, password: bytes, source: visit.request.source.address, trace: visit.trace)
        // Whatever session the browser had ends here: no token from before a sign-in is worth anything after it.
        sessions.close(visit.token)
        let token = try sessions.open(
            reply.customer, displayName: reply.displayName, generation: reply.generation, at: clocks.steady())
        log.info(
            "signed in",
            metadata: [
                "customer": "\(reply.customer)", "source": "\(visit.request.source.address)", "trace": "\(visit.trace)",
            ])
        return (token, reply)
    }

    /// Counts a password attempt against the visit's source; throws `locked-out` when there were too many.
    func countAttempt(_ visit: Visit) throws(Failure) {
        guard let seconds = limiter.refuse(visit.request.source.network, at: clocks.steady()) else { return }
        throw Failure(.lockedOut, "one source reached web.sign-in-rate", retryAfter: seconds)
    }

    /// One sentence for every refusal of name and password.
    private func wording(_ failure: Failure) -> String {
        switch failure.code {
        case .lockedOut:
            let wait = failure.retryAfter.map { "in \(Format.duration(Int64($0)))" } ?? "in a little while"
            return "Too many attempts. Please try again \(wait)."
        case .busy: return "Many people are signing in just now. Please try again in a moment."
        default: return "The name or the password is not right."
        }
    }

    private func signInPage(
        _ visit: Visit, next: String?, note: String? = nil, problem: String? = nil, customer: String = "",
        status: Int = 200
    ) -> WebResponse {
        var model: Model = ["customer": customer.bounded(256)]
        model["next"] = next
        model["note"] = note
        model["problem"] = problem
        return page("sign-in", "Sign in", model, for: visit, status: status)
    }
}
