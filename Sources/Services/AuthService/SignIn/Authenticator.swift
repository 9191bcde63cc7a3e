import FFSModel
import Logging
import Metrics
import Requests
import Synchronization

/// What can be set about sign-in (the `auth.` options).
package struct SignInSettings: Sendable {
    /// crypt(5)'s yescrypt cost.
    package var hashCost: Int
    package var lockOut: LockOut.Limits
    /// Refusals leave at a multiple of this after the request came.
    package var refusalStep: Duration
    /// Bytes a new password has at least.
    package var passwordMinimum: Int

    package init(
        hashCost: Int = 5, lockOut: LockOut.Limits = LockOut.Limits(), refusalStep: Duration = .milliseconds(250),
        passwordMinimum: Int = 8
    ) {
        self.hashCost = hashCost
        self.lockOut = lockOut
        self.refusalStep = refusalStep
        self.passwordMinimum = passwordMinimum
    }
}

/// Tells customers from others. Whoever is refused learns nothing by the reply or by its time: unknown, disabled and
/// expired customers and wrong passwords take the same way through lock-out, hash and wait.
final class Authenticator: Sendable {
    /// How a sign-in ended: the label in `/metrics`.
    enum Result: String, CaseIterable {
        case accepted, refused, busy, unavailable
        case lockedOut = "locked-out"
    }

    private enum Refusal: String {
        case unknown, wrong, disabled, expired
    }

    private struct State {
        var lockOut: LockOut
        var settings: SignInSettings
    }

    private let database: any MasterDatabase
    private let hasher: PasswordHasher
    private let logger: Logger
    private let clock: @Sendable () -> Timestamp
    private let state: Mutex<State>
    private let results = Mutex<[Result: Int]>([:])

    init(
        database: any MasterDatabase, hasher: PasswordHasher, settings: SignInSettings, logger: Logger,
        clock: @escaping @Sendable () -> Timestamp
    ) {
        self.database = database
        self.hasher = hasher
        self.logger = logger
        self.clock = clock
        state = Mutex(State(lockOut: LockOut(limits: settings.lockOut), settings: settings))
    }

    func apply(_ settings: SignInSettings) throws(Failure) {
        try hasher.setCost(settings.hashCost)
        state.withLock {
            $0.settings = settings
            $0.lockOut.limits = settings.lockOut
        }
    }

    var rule: PasswordRule { PasswordRule(minimum: state.withLock { $0.settings.passwordMinimum }) }

    func forgive(_ customer: CustomerName) { state.withLock { $0.lockOut.forgive(customer) } }

    /// For the watchdog.
    func proveHashing() async { await hasher.prove() }

    func hash(_ password: [UInt8], source: SourceKey? = nil) async throws(Failure) -> PasswordHash {
        try await hasher.hash(password, source: source)
    }

    /// The customer of that name and password.
    ///
    /// - Throws: `login-refused`, `locked-out`, `busy`, `draining`.
    func authenticate(
        _ customer: CustomerName, password: [UInt8], source: String, context: RequestContext
    ) async throws -> Credentials {
        let arrival = ContinuousClock.now
        let key = SourceKey(source)
        let (attempt, known) = try await admit(customer, key, source: source, context: context, now: arrival)
        let credentials: Credentials?
        let verdict: PasswordHasher.Verdict
        do {
            credentials = try await database.read { try $0.credentials(of: customer) }
            verdict = try await hasher.check(password, against: credentials?.password, source: key, known: known)
        } catch {
            state.withLock { $0.lockOut.abandoned(attempt) }
            count(.unavailable)
            throw error
        }
        guard let credentials, verdict.matches, credentials.mayEnter(at: clock()) else {
            let refusal = refusal(credentials, matches: verdict.matches)
            await refuse(customer, attempt, refusal, source: source, context: context, arrival: arrival)
            throw Failure(
                .loginRefused,
                "the name or the password is wrong, or this customer may not sign in; check both, or ask who gave you them"
            )
        }
        state.withLock { $0.lockOut.succeeded(attempt, now: .now) }
        count(.accepted)
        logger.info(
            "signed in", metadata: ["customer": "\(customer)", "source": "\(source)", "trace": "\(context.trace)"])
        await renew(credentials, verdict.renewed)
        return credentials
    }

    private func admit(
        _ customer: CustomerName, _ key: SourceKey, source: String, context: RequestContext,
        now: ContinuousClock.Instant
    ) async throws(Failure) -> (attempt: LockOut.Attempt, known: Bool) {
        let (attempt, known, admission) = state.withLock { state in
            let attempt = state.lockOut.attempt(customer, key, peer: Self.host(context.peer))
            return (attempt, state.lockOut.isKnown(attempt), state.lockOut.admit(attempt, now: now))
        }
        switch admission {
        case .admitted(let wait):
            if wait > .zero { try? await Task.sleep(for: wait) }
            return (attempt, known)
        case .busy:
            count(.busy)
            throw Failure(.busy, "too many sign-ins of this customer at once; try again in a moment", retryAfter: 1)
        case .locked(let seconds):
            count(.lockedOut)
            logger.notice("sign-in while locked out", metadata: ["source": "\(source)", "trace": "\(context.trace)"])
            throw Failure(
                .lockedOut, "too many wrong passwords; try again in \(seconds) seconds", retryAfter: seconds)
        }
    }

    /// `192.0.2.7:40213` without its port: a peer has as many as it likes.
    private static func host(_ peer: String) -> String {
        guard let colon = peer.utf8.lastIndex(of: UInt8(ascii: ":")) else { return peer }
        return String(peer[..<colon])
    }

    private func refusal(_ credentials: Credentials?, matches: Bool) -> Refusal {
        guard let credentials else { return .unknown }
        if !matches { return .wrong }
        return credentials.status == .disabled ? .disabled : .expired
    }

    /// Books the failure, logs it and waits. A name that is nobody's is not logged: it is a password often enough,
    /// typed into the wrong field.
    private func refuse(
        _ customer: CustomerName, _ attempt: LockOut.Attempt, _ refusal: Refusal, source: String,
        context: RequestContext,
        arrival: ContinuousClock.Instant
    ) async {
        let (locked, configured) = state.withLock { state in
            (state.lockOut.failed(attempt, now: .now), state.settings.refusalStep)
        }
        // An unknown name is checked against a hash of today's cost, a known one against its own, perhaps cheaper one: a step
        // has room for either.
        let step = max(configured, hasher.time * 3)
        count(.refused)
        var metadata: Logger.Metadata = [
            "reason": "\(refusal.rawValue)", "source": "\(source)", "trace": "\(context.trace)",
        ]
        if refusal != .unknown { metadata["customer"] = "\(customer)" }
        if let locked { metadata["locked"] = "\(locked.components.seconds) s" }
        logger.notice("sign-in refused", metadata: metadata)
        // The work took a little longer or shorter for each reason; the next step on the clock hides how much.
        let elapsed = ContinuousClock.now - arrival
        let steps = Int((elapsed / step).rounded(.up))
        try? await Task.sleep(until: arrival + step * max(1, steps), clock: .continuous)
    }

    /// A sign-in does not fail because its hash could not be renewed; the next one will try again.
    private func renew(_ credentials: Credentials, _ renewed: PasswordHash?) async {
        guard let renewed, let old = credentials.password else { return }
        do {
            try await database.write { try $0.renewPassword(old, by: renewed, of: credentials.customer) }
            logger.info("password hash renewed", metadata: ["customer": "\(credentials.customer)"])
        } catch {
            logger.warning(
                "a password hash could not be renewed: \(error)", metadata: ["customer": "\(credentials.customer)"])
        }
    }

    private func count(_ result: Result) {
        results.withLock { $0[result, default: 0] += 1 }
        Counter(label: "ffs_auth_logins_total", dimensions: [("result", result.rawValue)]).increment()
    }

    /// Sign-ins since the start.
    func count(of result: Result) -> Int { results.withLock { $0[result, default: 0] } }

    /// Sign-ins that wait for a hash now.
    var waiting: Int { hasher.depth }
}
