import DequeModule
import FFSModel
import Repository
import SystemSupport

/// Makes replicas on a thread of its own, ahead of need: where the file system cannot share blocks, a replica of a
/// large object is a copy that takes seconds, and nobody should have to wait for it.
final class ReplicaMaker: Sendable {
    private struct State {
        var queue = Deque<ContentDigest>()
        /// Queued or being made.
        var wanted: Set<ContentDigest> = []
        /// How the last attempt ended, for those who wait; nil: well.
        var failures: [ContentDigest: Failure] = [:]
        var isStopping = false
    }

    private let repository: Repository
    /// Used by the thread alone.
    private let session: Monitor<IncomingSession>
    private let state = Monitor(State())

    init(repository: Repository) throws(Failure) {
        self.repository = repository
        session = Monitor(try IncomingSession(in: repository))
        do { try SystemThread(name: "replicas") { [self] in work() }.detach() } catch {
            throw error.failure("cannot start the replicas' thread")
        }
    }

    /// Has one more replica made, unless one that can take links is there when its turn comes.
    func prepare(_ digest: ContentDigest) {
        state.withLock(wake: .all) { state in
            if state.wanted.insert(digest).inserted { state.queue.append(digest) }
        }
    }

    /// The same, and waits for it.
    func make(_ digest: ContentDigest) throws(Failure) {
        prepare(digest)
        let failure: Failure?? = state.wait { state in
            if state.isStopping { return .some(Failure(.draining, "ffsstaged is stopping")) }
            return state.wanted.contains(digest) ? nil : .some(state.failures[digest])
        }
        if let failure, let failure { throw failure }
    }

    private func work() {
        while let digest = next() {
            let failure = replicate(digest)
            state.withLock(wake: .all) { state in
                state.wanted.remove(digest)
                state.failures[digest] = failure
            }
        }
    }

    private func next() -> ContentDigest? {
        state.wait { state -> ContentDigest?? in
            if state.isStopping { return .some(nil) }
            return state.queue.popFirst().map { .some($0) }
        }
    }

    /// A new replica under the first free number.
    private func replicate(_ digest: ContentDigest) -> Failure? {
        do throws(Failure) {
            var number = 0
            while try isThere(digest, number) { number += 1 }
            try session.withLock { session throws(Failure) in try session.replicate(digest, number: number) }
            return nil
        } catch { return error }
    }

    private func isThere(_ digest: ContentDigest, _ number: Int) throws(Failure) -> Bool {
        do { return try repository.status(of: digest, replica: number) != nil } catch {
            throw error.failure("cannot look at the replicas of object \(digest)")
        }
    }

    func stop() { state.withLock(wake: .all) { $0.isStopping = true } }
}
