import FFSModel
import StoredFormats
import SystemSupport

/// Makes finished trees durable and public, many at a time.
///
/// An account needs two syncs: its tree and record before the rename(2), the rename after. One round of the
/// thread serves both for different accounts: it syncs once, which covers the trees built since the last round and the
/// renames made in it; then it answers for those renames and renames those trees.
final class Committer: Sendable {
    private struct State {
        var built: [BuildJob] = []
        var isStopping = false
        var hasStopped = false
    }

    private let store: AccountStore
    private let state = Monitor(State())

    init(store: AccountStore) throws(Failure) {
        self.store = store
        do { try SystemThread(name: "commit") { [self] in work() }.detach() } catch {
            throw error.failure("cannot start the committing thread")
        }
    }

    /// Takes over a job whose tree is complete.
    func add(_ job: BuildJob) { state.withLock(wake: .one) { $0.built.append(job) } }

    private func work() {
        var renamed: [BuildJob] = []
        while let built = next(wait: renamed.isEmpty) {
            let result = sync()
            for job in renamed { job.finish(result) }
            renamed = []
            for job in built {
                do throws(Failure) {
                    try result.get()
                    try publish(job)
                    renamed.append(job)
                } catch { job.finish(.failure(error)) }
            }
        }
        state.withLock(wake: .all) { $0.hasStopped = true }
    }

    /// What was built since the last round; nil at the end.
    private func next(wait: Bool) -> [BuildJob]? {
        state.wait { state -> [BuildJob]?? in
            if state.built.isEmpty && wait { return state.isStopping ? .some(nil) : nil }
            let built = state.built
            state.built = []
            return .some(built)
        }
    }

    private func sync() -> Result<Void, Failure> {
        do {
            try store.root.syncFileSystem()
            return .success(())
        } catch { return .failure(error.failure("cannot bring the account to disk")) }
    }

    private func publish(_ job: BuildJob) throws(Failure) {
        do { try store.publish(job.record.account) } catch { throw error.failure("cannot publish the account") }
    }

    /// Finishes what was added and ends the thread.
    func stop() {
        state.withLock(wake: .all) { $0.isStopping = true }
        _ = state.wait { $0.hasStopped ? true : nil }
    }
}
