import Clients
import FFSModel
import Requests
import Tobj

/// Changing one's own password.
extension WebFront {
    func passwordForm(_ visit: Visit, _ session: Session) async throws -> WebResponse {
        passwordPage(visit, session, problem: nil)
    }

    func changePassword(_ visit: Visit, _ session: Session) async throws -> WebResponse {
        let form = try visit.request.form()
        guard (form["new-password"] ?? "").isSame(as: form["repeated"] ?? "") else {
            return passwordPage(visit, session, problem: "The two new passwords differ.", status: 422)
        }
        do {
            let token = try await setPassword(
                of: session, from: form["password"] ?? "", to: form["new-password"] ?? "", visit: visit)
            sessions.leave(.passwordChanged, for: token)
            return .seeOther("/").setting("set-cookie", visit.cookie(token))
        } catch {
            switch error.code {
            case .badRequest: return passwordPage(visit, session, problem: PublicError(error).advice, status: 422)
            case .loginRefused:
                return passwordPage(visit, session, problem: "The present password is not right.", status: 403)
            default: throw error
            }
        }
    }

    /// Changes the password of the visit's customer, ends their other sessions and moves this one to a new token.
    func setPassword(of session: Session, from old: String, to new: String, visit: Visit) async throws(Failure)
        -> SessionToken
    {
        try countAttempt(visit)
        guard new.utf8.count >= settings.passwordMinimum else {
            throw Failure(.badRequest, "a password has at least \(settings.passwordMinimum) characters")
        }
        guard new.utf8.count <= Fields.passwordBytes, old.utf8.count <= Fields.passwordBytes else {
            throw Failure(.badRequest, "a password has at most \(Fields.passwordBytes) bytes")
        }
        guard !new.isSame(as: old) else { throw Failure(.badRequest, "the new password is the present one") }
        let generation = try await auth.changePassword(
            customer: session.customer, password: Array(old.utf8), newPassword: Array(new.utf8),
            source: visit.request.source.address, trace: visit.trace)
        sessions.closeAll(of: session.customer, but: visit.token)
        guard let token = sessions.renew(visit.token, generation: generation) else {
            throw Failure(.denied, "the session ended during the password change")
        }
        return token
    }

    private func passwordPage(_ visit: Visit, _ session: Session, problem: String?, status: Int = 200) -> WebResponse {
        var model: Model = ["shortest": settings.passwordMinimum, "customer": session.customer.text]
        model["problem"] = problem
        return page("password", "Change password", model, for: visit, status: status)
    }
}
