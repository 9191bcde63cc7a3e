import FFSModel
import Logging

/// What a failure looks like from outside: the one table from codes to HTTP and to words a customer can act on.
/// The text of a ``Failure`` is for operators; it goes to the log, under the trace that the page shows.
struct PublicError: Sendable {
    let status: Int
    let title: String
    let advice: String

    init(_ failure: Failure) {
        switch failure.code {
        case .badRequest: self.init(400, "That request was not understood", Self.sentence(failure.text))
        case .loginRefused: self.init(403, "Not signed in", "The name or the password is not right.")
        case .sessionEnded:
            self.init(
                403, "Signed out", "Your password or your access has changed since you signed in. Please sign in again."
            )
        case .lockedOut: self.init(429, "Too many attempts", "Wait a little, then try again.")
        case .notEntitled:
            self.init(
                403, "Not included in your entitlements",
                "At least one of the products you chose is not, or no longer, included. The catalogue shows what is.")
        case .denied: self.init(403, "Not allowed", "You may not do that.")
        case .notFound: self.init(404, "Not found", "There is nothing here, or it is not yours.")
        case .exists: self.init(409, "Already there", "That has been done before.")
        case .gone: self.init(410, "This account has ended", "Choose the products again to get a new one.")
        case .busy, .draining:
            self.init(503, "Busy for a moment", "Many people are here just now. Please try again shortly.")
        case .unreachable:
            self.init(
                503, "Not reachable for a moment", "A part of this service does not answer. Please try again shortly.")
        case .noSpace:
            self.init(503, "No room for a moment", "The download server is full. Please try again later.")
        case .notServed, .corrupt, .configuration, .internal: self.init(status: 500)
        }
    }

    init(status: Int) {
        switch status {
        case 403:
            self.init(
                403, "That form is too old",
                "It came from a page that has expired, or from another site. Go back, reload the page and try again.")
        case 404: self.init(404, "Not found", "There is nothing at this address.")
        case 405: self.init(405, "Not that way", "This address does not take such a request.")
        case 413: self.init(413, "Too large", "The request is larger than anything this site takes.")
        default:
            self.init(
                500, "Something went wrong",
                "The fault is on our side and has been noted. Please try again, and tell us if it lasts.")
        }
    }

    private init(_ status: Int, _ title: String, _ advice: String) {
        self.status = status
        self.title = title
        self.advice = advice
    }

    /// `text` with a capital letter and a full stop.
    private static func sentence(_ text: String) -> String {
        text.prefix(1).uppercased() + text.dropFirst() + (text.hasSuffix(".") ? "" : ".")
    }
}

extension WebFront {
    /// The page, or for the API the JSON, that tells of `failure`; logs it in the operators' words.
    func errorResponse(_ failure: Failure, for visit: Visit) -> WebResponse {
        let level = Logger.Level(rawValue: failure.code.logLevel.rawValue) ?? .error
        log.log(
            level: level, "\(failure.text)",
            metadata: [
                "code": "\(failure.code.rawValue)", "cause": "\(failure.cause ?? "-")", "trace": "\(visit.trace)",
                "customer": "\(visit.session?.customer.text ?? "-")", "source": "\(visit.request.source.address)",
            ])
        let error = PublicError(failure)
        let retryAfter = failure.retryAfter ?? (failure.code.retry == .never ? nil : 10)
        var response =
            visit.isAPI
            ? apiError(
                status: failure.code == .loginRefused ? 401 : error.status, code: failure.code.rawValue, error.advice,
                retryAfter: retryAfter)
            : errorPage(error, for: visit)
        if let retryAfter { response.set("retry-after", "\(retryAfter)") }
        return response
    }

    func errorResponse(status: Int, for visit: Visit) -> WebResponse {
        let error = PublicError(status: status)
        guard visit.isAPI else { return errorPage(error, for: visit) }
        let code: FailureCode = status == 404 ? .notFound : status == 500 ? .internal : .badRequest
        return apiError(status: status, code: code.rawValue, error.advice)
    }

    private func errorPage(_ error: PublicError, for visit: Visit) -> WebResponse {
        var model: Model = ["status": error.status, "heading": error.title, "advice": error.advice]
        model["trace"] = visit.trace.description
        model["home"] = visit.session == nil ? "/sign-in" : "/"
        model["home-name"] = visit.session == nil ? "Sign in" : "Back to the catalogue"
        model["retry"] = visit.request.method == .get && error.status == 503 ? visit.request.path : nil
        return page("error", error.title, model, for: visit, status: error.status)
    }
}
