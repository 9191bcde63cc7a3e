import Clients
import DaemonKit
import FFSModel
import Requests

/// For operators on this machine, and the few files that are not pages.
extension WebFront {
    func status(_ visit: Visit) async throws -> WebResponse {
        guard visit.request.isSecure, visit.request.source.isLoopback else {
            throw Refusal(response: errorResponse(status: 404, for: visit))
        }
        async let auth = Self.probe("ffsauthd") { () async throws(Failure) in
            try await self.auth.ping(trace: visit.trace)
        }
        async let staging = Self.probe("ffsstaged") { () async throws(Failure) in
            try await self.staging.ping(trace: visit.trace)
        }
        let model: Model = [
            "version": ffsVersion, "sessions": Format.number(sessions.count),
            "peers": await [auth, staging],
        ]
        return page("status", "Status", model, for: visit)
    }

    private static func probe(
        _ daemon: String, _ ping: () async throws(Failure) -> Ping.Reply
    ) async -> [String: String] {
        let started = ContinuousClock.now
        do {
            let reply = try await ping()
            let took = Int((ContinuousClock.now - started) / .microseconds(1))
            return ["name": daemon, "ok": "yes", "text": "version \(reply.version), answered in \(took) µs"]
        } catch {
            // The cause is for the log.
            return ["name": daemon, "text": error.text]
        }
    }

    func robots(_: Visit) async throws -> WebResponse {
        .text("User-agent: *\nDisallow: /\n").setting("cache-control", "public, max-age=86400")
    }
}
