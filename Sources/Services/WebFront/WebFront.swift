package import Clients
package import FFSModel
package import Logging
import Metrics

/// The pages and the JSON API, without the server: a whole request in, a whole response out.
///
/// It holds no customer's data but that of open sessions, and nothing on disk. ffsauthd decides who may sign in and
/// what they may have, at every order anew; ffsstaged makes the accounts.
package struct WebFront: Sendable {
    let settings: WebSettings
    let auth: AuthClient
    let staging: StagingClient
    let sessions: SessionStore
    let limiter: RateLimiter
    let forms: FormGuard
    let views: Views
    let assets: Assets
    let clocks: Clocks
    let log: Logger

    /// Where the time comes from; tests bring their own.
    package struct Clocks: Sendable {
        /// Calendar time, for expiry.
        package let now: @Sendable () -> Timestamp
        /// Seconds of a clock that nobody sets, for sessions and rates.
        package let steady: @Sendable () -> Int64

        package init(now: @escaping @Sendable () -> Timestamp, steady: @escaping @Sendable () -> Int64) {
            self.now = now
            self.steady = steady
        }
    }

    /// The same front under other settings: sessions and forms go on. For a reload.
    package func with(
        _ settings: WebSettings
    ) throws(Failure) -> WebFront {
        try WebFront(
            settings: settings, auth: auth, staging: staging, clocks: clocks, log: log,
            keeping: self)
    }

    /// Throws `internal` when a template does not parse, which the tests would have shown.
    package init(
        settings: WebSettings, auth: AuthClient, staging: StagingClient, clocks: Clocks,
        log: Logger
    ) throws(Failure) {
        try self.init(
            settings: settings, auth: auth, staging: staging, clocks: clocks, log: log,
            keeping: nil
        )
    }

    private init(
        settings: WebSettings, auth: AuthClient, staging: StagingClient, clocks: Clocks,
        log: Logger, keeping old: WebFront?
    ) throws(Failure) {
        self.settings = settings
        self.auth = auth
        self.staging = staging
        self.clocks = clocks
        self.log = log
        let limits = SessionStore.Limits(
            idle: settings.sessionIdle, lifetime: settings.sessionLifetime, sessions: settings.sessions)
        sessions = old?.sessions ?? SessionStore(limits: limits)
        sessions.apply(limits)
        forms = old?.forms ?? FormGuard()
        limiter = RateLimiter(perMinute: settings.signInRate)
        assets = Assets()
        views = try Views(settings: settings, assets: assets)
    }

    /// Forgets sessions that have ended; call it now and then.
    package func sweep() { sessions.sweep(at: clocks.steady()) }

    /// Answers one request. Never throws: whatever happens becomes a page or a JSON error.
    package func respond(to request: WebRequest) async -> WebResponse {
        let started = ContinuousClock.now
        let visit = Visit(request, front: self)
        let (route, outcome) = await answer(visit)
        var response = outcome
        SecurityHeaders.add(to: &response, secure: request.isSecure)
        response.set("x-trace", visit.trace.description)
        if request.method == .head {
            response.set("content-length", "\(response.body.count)")
            response.body = []
        }
        record(visit, route: route, status: response.status, took: ContinuousClock.now - started)
        return response
    }

    /// The response to a request that could not be read whole.
    func refuse(_ request: WebRequest, status: Int) -> WebResponse {
        let visit = Visit(request, front: self)
        var response = errorResponse(status: status, for: visit)
        SecurityHeaders.add(to: &response, secure: request.isSecure)
        record(visit, route: "-", status: status, took: .zero)
        return response
    }

    private func answer(_ visit: Visit) async -> (route: String, WebResponse) {
        switch Route.find(visit.request.method, visit.request.path) {
        case .found(let route, let parameter):
            do {
                let response = try await route.run(self, visit, parameter)
                return (route.name, response)
            } catch let refusal as Refusal {
                return (route.name, refusal.response)
            } catch let failure as Failure where failure.code == .sessionEnded {
                return (route.name, endSession(visit, failure))
            } catch let failure as Failure {
                return (route.name, errorResponse(failure, for: visit))
            } catch {
                return (
                    route.name, errorResponse(Failure(.internal, "unexpected error", cause: "\(error)"), for: visit)
                )
            }
        case .wrongMethod(let allowed):
            let response = errorResponse(status: 405, for: visit)
            return ("-", response.setting("allow", allowed.joined(separator: ", ")))
        case .none:
            return ("-", errorResponse(status: 404, for: visit))
        }
    }

    /// One line and one count for each request; never a query or a body, as those hold what people typed.
    private func record(_ visit: Visit, route: String, status: Int, took: Duration) {
        let milliseconds = Int(took / .milliseconds(1))
        Counter(label: "ffs_web_requests_total", dimensions: [("route", route), ("status", "\(status)")]).increment()
        Timer(label: "ffs_web_request_seconds", dimensions: [("route", route)]).recordNanoseconds(
            Int64(took / .nanoseconds(1)))
        log.info(
            "request",
            metadata: [
                "method": "\(visit.request.method.rawValue)", "route": "\(route)", "status": "\(status)",
                "ms": "\(milliseconds)", "source": "\(visit.request.source.address)", "trace": "\(visit.trace)",
                "customer": "\(visit.session?.customer.text ?? "-")",
            ])
    }
}
