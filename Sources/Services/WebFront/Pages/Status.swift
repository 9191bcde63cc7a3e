import Clients
import DaemonKit
import FFSModel
import Requests

/// For operators on this machine, and the few files that are not pages.
extension WebFront {
    func status(_ visit: Visit, _: AccountID?) async throws -> WebResponse {
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

    /// The download server's certificate for tools that must be told to trust it.
    func certificate(_ visit: Visit, _: AccountID?) async throws -> WebResponse {
        guard let certificate else { throw Failure(.notFound, "this host has no file ftp.certificate") }
        return WebResponse(type: "application/x-pem-file", body: certificate.pem)
            .setting("content-disposition", "attachment; filename=\"\(DownloadCommands.certificateFile)\"")
    }

    func robots(_: Visit, _: AccountID?) async throws -> WebResponse {
        .text("User-agent: *\nDisallow: /\n").setting("cache-control", "public, max-age=86400")
    }
}
