package import Clients
import FFSModel
package import Logging
import Requests
import SystemSupport
import Tobj

/// Signs customers in with their own names: asks ffsauthd, through the relay in ffswebd, whether the password is right,
/// and has ffsstaged make an account of all that the customer may have.
package struct Gate: Sendable {
    private let auth: AuthClient
    private let book: AccountBook
    private let limit: Duration
    private let log: Logger

    /// Whoever types a password waits no longer than this.
    package static let timeLimit = Duration.seconds(10)

    package init(auth: AuthClient, book: AccountBook, limit: Duration = timeLimit, log: Logger) {
        self.auth = auth
        self.book = book
        self.limit = limit
        self.log = log
    }

    /// The answer, within the time limit whatever the others do. What goes on behind it goes on: the next attempt finds
    /// the account.
    package func answer(_ request: SignInRequest) async -> SignInAnswer {
        let (answers, give) = AsyncStream<SignInAnswer>.makeStream(bufferingPolicy: .bufferingOldest(1))
        let work = Task { give.yield(await decide(request)) }
        let clock = Task {
            try await Task.sleep(for: limit)
            log.warning(
                "a sign-in took longer than \(limit); is ffsauthd, ffswebd or ffsstaged overloaded or stopped?",
                metadata: ["customer": "\(request.customer)", "trace": "\(request.trace)"])
            give.yield(.unavailable)
        }
        defer {
            work.cancel()
            clock.cancel()
        }
        for await answer in answers { return answer }
        return .unavailable
    }

    private func decide(_ request: SignInRequest) async -> SignInAnswer {
        var password = request.password.bytes
        defer { SecretMemory.wipe(&password) }
        // What crypt(3) could not take is no customer's password, and no correct request.
        guard password.count <= Fields.passwordBytes else { return .refused }
        let start = ContinuousClock.now
        do {
            try await login(request, password)
            guard
                let account = try await book.account(
                    for: request.customer, source: request.source, trace: request.trace)
            else {
                note(.nothing, request, start, [:])
                return .nothing
            }
            note(.account(account), request, start, ["account": "\(account)"])
            return .account(account)
        } catch {
            let answer = Self.answer(to: error)
            note(answer, request, start, ["code": "\(error.code.rawValue)", "reason": "\(error)"])
            return answer
        }
    }

    /// ffsauthd checks so many at once, and one by one after a wrong password: who comes with eight connections waits a
    /// little instead of being sent away.
    private func login(_ request: SignInRequest, _ password: [UInt8]) async throws(Failure) {
        let end = ContinuousClock.now + limit * 6 / 10
        while true {
            do throws(Failure) {
                _ = try await auth.login(
                    customer: request.customer, password: password, source: request.source, trace: request.trace)
                return
            } catch {
                guard error.code == .busy, ContinuousClock.now < end else { throw error }
            }
            do { try await Task.sleep(for: .milliseconds(100)) } catch {
                throw Failure(.busy, "the sign-in was given up")
            }
        }
    }

    static func answer(to failure: Failure) -> SignInAnswer {
        switch failure.code {
        case .loginRefused: .refused
        case .lockedOut: .lockedOut(seconds: failure.retryAfter ?? 60)
        case .busy, .draining: .busy
        default: .unavailable
        }
    }

    private func note(
        _ answer: SignInAnswer, _ request: SignInRequest, _ start: ContinuousClock.Instant, _ more: Logger.Metadata
    ) {
        let level: Logger.Level =
            switch answer {
            case .account: .info
            case .refused, .lockedOut, .nothing: .notice
            case .busy, .unavailable: .warning
            }
        let facts: Logger.Metadata = [
            "customer": "\(request.customer)", "source": "\(request.source)", "trace": "\(request.trace)",
            "outcome": "\(answer.label)", "ms": "\(Int((ContinuousClock.now - start) / .milliseconds(1)))",
        ]
        log.log(level: level, "customer sign-in", metadata: facts.merging(more) { $1 })
    }
}
