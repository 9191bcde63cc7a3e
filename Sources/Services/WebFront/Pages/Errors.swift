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
        case .badRequest: self.init(400, "The request is not valid", Self.sentence(failure.text))
        case .loginRefused: self.init(403, "Not signed in", "The name or the password is not right.")
        case .sessionEnded:
            self.init(
                403, "Signed out", "Your password or your access has changed since you signed in. Please sign in again."
            )
        case .lockedOut:
            self.init(429, "Too many attempts", "There were too many attempts. Please wait a little, then try again.")
        case .notEntitled:
            self.init(
                403, "Not included in your entitlements",
                "Your entitlements do not include at least one of these products, or no longer do. The catalogue shows what they include."
            )
        case .denied: self.init(403, "Not allowed", "Your account does not allow this.")
        case .notFound: self.init(404, "Not found", "This address leads to nothing of yours.")
        case .exists: self.init(409, "Already done", "This has been done before.")
        case .gone:
            self.init(
                410, "This account has ended", "Please choose the products again: you get a new account for them.")
        case .busy, .draining:
            self.init(503, "Busy for a moment", "Many people use this service just now. Please try again shortly.")
        case .unreachable:
            self.init(
                503, "Not reachable for a moment", "A part of this service does not answer. Please try again shortly.")
        case .noSpace:
            self.init(
                503, "No room for another account",
                "The download server has no room for another account of yours now. Please revoke one that you no longer need, or try again later."
            )
        case .notServed, .corrupt, .configuration, .internal: self.init(status: 500)
        }
    }

    init(status: Int) {
        switch status {
        case 403:
            self.init(
                403, "This form is no longer valid",
                "The form comes from a page that has expired, or from another site. Please go back, reload the page and try again."
            )
        case 404: self.init(404, "Not found", "This address leads nowhere.")
        case 405: self.init(405, "Method not allowed", "This address does not accept that kind of request.")
        case 421:
            self.init(
                421, "This port is not for you",
                "This port answers programs of this machine, and the TLS proxies that web.proxies lists (ffs.yaml(5)).")
        case 413: self.init(413, "Too large", "The request is larger than this site accepts.")
        case 400: self.init(400, "The request is not valid", "The request does not follow the rules of HTTP.")
        default:
            self.init(
                500, "Something went wrong",
                "The fault is ours, and our log has it. Please try again, and tell us if it happens again.")
        }
    }

    private init(_ status: Int, _ title: String, _ advice: String) {
        self.status = status
        self.title = title
        self.advice = advice
    }

    /// `text` with a capital letter and a full stop.
    private static func sentence(_ text: String) -> String {
        text.prefix(1).uppercased() + text.dropFirst() + (text.utf8.last == UInt8(ascii: ".") ? "" : ".")
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
                status: [.loginRefused, .sessionEnded].contains(failure.code) ? 401 : error.status,
                code: failure.code.rawValue, error.advice,
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
