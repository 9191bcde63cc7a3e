import FFSModel
import StoredFormats
import SystemSupport

/// Makes finished trees public and durable, as many at a time as came up since the last round.
///
/// What must hold after a power cut: an account that can be seen is whole, and one that was answered for can be seen.
final class Committer: Sendable {
    private struct Built {
        let job: BuildJob
        let written: [WrittenFile]
    }

    private struct State {
        var built: [Built] = []
        var isStopping = false
        var hasStopped = false
    }

    /// How a file system gives those two promises.
    private enum Method {
        /// One journal or log for all metadata, committed in order (ext4, XFS): when the records' data has been
        /// written, the renames come after everything else in the journal, and an fsync(2) of the directory that
        /// received them commits all of it, device cache included.
        case journal
        /// Anything else: syncfs(2) before the renames and after.
        case wholeFileSystem
    }

    private let store: AccountStore
    private let method: Method
    private let state = Monitor(State())

    init(store: AccountStore) throws(Failure) {
        self.store = store
        do throws(SystemError) {
            method = ["ext4", "xfs"].contains(try store.root.space().typeName) ? .journal : .wholeFileSystem
            try SystemThread(name: "commit") { [self] in work() }.detach()
        } catch { throw error.failure("cannot start the committing thread") }
    }

    /// Takes over a job whose tree is complete.
    func add(_ job: BuildJob, written: [WrittenFile]) {
        state.withLock(wake: .one) { $0.built.append(Built(job: job, written: written)) }
    }

    private func work() {
        while let round = next() {
            do throws(SystemError) { try writeOut(round) } catch {
                let failure = error.failure("cannot bring the account to disk")
                for built in round { built.job.finish(.failure(failure)) }
                continue
            }
            var published: [BuildJob] = []
            for built in round {
                do throws(SystemError) {
                    try store.publish(built.job.record.account)
                    published.append(built.job)
                } catch { built.job.finish(.failure(error.failure("cannot publish the account"))) }
            }
            let result: Result<Void, Failure>
            do throws(SystemError) {
                try commitNames()
                result = .success(())
            } catch { result = .failure(error.failure("cannot bring the account to disk")) }
            for job in published { job.finish(result) }
        }
        state.withLock(wake: .all) { $0.hasStopped = true }
    }

    /// What was built since the last round; nil at the end.
    private func next() -> [Built]? {
        state.wait { state -> [Built]?? in
            if state.built.isEmpty { return state.isStopping ? .some(nil) : nil }
            let built = state.built
            state.built = []
            return .some(built)
        }
    }

    private func writeOut(_ round: [Built]) throws(SystemError) {
        guard method == .journal else { return try store.root.syncFileSystem() }
        // All on their way first, then the waiting.
        for file in round.lazy.flatMap(\.written) { file.descriptor.startWriteback(0..<Int.max) }
        for file in round.lazy.flatMap(\.written) { try file.descriptor.writeOut() }
    }

    private func commitNames() throws(SystemError) {
        switch method {
        case .journal: try store.root.sync()
        case .wholeFileSystem: try store.root.syncFileSystem()
        }
    }

    /// Finishes what was added and ends the thread.
    func stop() {
        state.withLock(wake: .all) { $0.isStopping = true }
        _ = state.wait { $0.hasStopped ? true : nil }
    }
}
