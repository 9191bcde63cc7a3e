package import FFSModel
import Synchronization

/// Verifies and makes password hashes, a bounded number at a time.
package final class PasswordHasher: Sendable {
    /// What a check found.
    package struct Verdict: Sendable {
        package let matches: Bool
        /// A hash of the same password by today's method and cost; nil when the stored one is of that kind.
        package let renewed: PasswordHash?
    }

    private struct Kind {
        var cost: Int
        /// Compared with when there is nothing to compare with, so that a name nobody has costs the same time.
        var dummy: PasswordHash
        /// What one hash took.
        var time: Duration
    }

    let threads: HashThreads
    private let kind: Mutex<Kind>

    /// - Parameters:
    ///   - cost: crypt(5)'s yescrypt cost, 1 to 11.
    ///   - threads: how many hashes are computed at once.
    ///   - queue: how many sign-ins may wait for a thread before others are told `busy`.
    /// - Throws: `configuration` when libcrypt has no yescrypt or refuses the cost.
    package init(cost: Int, threads: Int, queue: Int) throws(Failure) {
        kind = Mutex(try Self.kind(cost: cost))
        self.threads = HashThreads(threads: threads, limits: HashQueueLimits(depth: queue))
        try self.threads.start()
    }

    deinit { threads.stop() }

    /// Sign-ins that wait for a thread.
    package var depth: Int { threads.depth }

    /// Returns once a thread has taken a job: of those that wait, any; where none waits, one that does nothing.
    func prove() async {
        let before = threads.progress.taken
        while !Task.isCancelled {
            let now = threads.progress
            guard now.taken == before else { return }
            if now.isIdle {
                _ = try? await run(.operators) { _ in }
                return
            }
            try? await Task.sleep(for: .seconds(1))
        }
    }

    /// Ends the threads; what waits, and every later call, is refused as `draining`.
    package func stop() { threads.stop() }

    /// From now on new hashes are of this cost, and older ones are renewed as their owners sign in.
    package func setCost(_ cost: Int) throws(Failure) {
        guard kind.withLock({ $0.cost }) != cost else { return }
        let fresh = try Self.kind(cost: cost)
        kind.withLock { $0 = fresh }
    }

    /// What one hash of today's cost takes on this machine, measured when the cost was set.
    package var time: Duration { kind.withLock { $0.time } }

    /// Checks a customer's password. Without `stored` the answer is no, after the same work.
    ///
    /// - Parameter known: whether the customer has signed in from `source` before.
    /// - Throws: `busy` with `retryAfter`, or `draining`.
    package func check(
        _ password: [UInt8], against stored: PasswordHash?, source: SourceKey, known: Bool = false
    ) async throws(Failure) -> Verdict {
        let kind = kind.withLock { $0 }
        return try await run(known ? .known(source) : .source(source)) { context in
            guard let stored else {
                _ = context.matches(password, kind.dummy)
                return Verdict(matches: false, renewed: nil)
            }
            guard context.matches(password, stored) else { return Verdict(matches: false, renewed: nil) }
            guard let setting = CryptContext.setting(cost: kind.cost), setting.parameters != stored.parameters else {
                return Verdict(matches: true, renewed: nil)
            }
            return Verdict(matches: true, renewed: context.hash(password, setting: setting))
        }
    }

    /// A hash of a new password, for its owner, who has just signed in from `source`, or without one for an operator.
    package func hash(_ password: [UInt8], source: SourceKey? = nil) async throws(Failure) -> PasswordHash {
        let cost = kind.withLock { $0.cost }
        let lane = source.map(HashThreads.Lane.known) ?? .operators
        let made = try await run(lane) { context in
            CryptContext.setting(cost: cost).flatMap { context.hash(password, setting: $0) }
        }
        guard let made else { throw Failure(.internal, "libcrypt refused to hash a password it should accept") }
        return made
    }

    private func run<Value: Sendable>(
        _ lane: HashThreads.Lane, _ work: @escaping @Sendable (inout CryptContext) -> Value
    ) async throws(Failure) -> Value {
        let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
            do throws(Failure) {
                try threads.submit(
                    lane, work: { continuation.resume(returning: .success(work(&$0))) },
                    refuse: { continuation.resume(returning: .failure($0)) })
            } catch { continuation.resume(returning: .failure(error)) }
        }
        return try result.get()
    }

    private static func kind(cost: Int) throws(Failure) -> Kind {
        let dummy = try dummy(cost: cost)
        // The first one also paid for libcrypt's work area; of the others the quickest had the processor to itself.
        var times: [Duration] = []
        for _ in 0..<3 {
            let start = ContinuousClock.now
            _ = try self.dummy(cost: cost)
            times.append(.now - start)
        }
        return Kind(cost: cost, dummy: dummy, time: times.min() ?? .zero)
    }

    private static func dummy(cost: Int) throws(Failure) -> PasswordHash {
        var context = CryptContext()
        var generator = SystemRandomNumberGenerator()
        let password = (0..<32).map { _ in UInt8.random(in: 1...255, using: &generator) }
        guard let setting = CryptContext.setting(cost: cost), let hash = context.hash(password, setting: setting) else {
            throw Failure(
                .configuration,
                "libcrypt does not make yescrypt hashes of cost \(cost); it must be libxcrypt 4.3 or newer, and the cost from 1 to 11"
            )
        }
        return hash
    }
}
