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

    private let publisher: Publisher
    private let disk: CommitDisk
    private let state = Monitor(State())

    init(publisher: Publisher, disk: CommitDisk) throws(Failure) {
        self.publisher = publisher
        self.disk = disk
        do throws(SystemError) { try SystemThread(name: "commit") { [self] in work() }.detach() } catch {
            throw error.failure("cannot start the committing thread")
        }
    }

    /// Takes over a job whose tree is complete.
    func add(_ job: BuildJob, written: [WrittenFile]) {
        let isTaken = state.withLock(wake: .one) { state in
            if !state.isStopping { state.built.append(Built(job: job, written: written)) }
            return !state.isStopping
        }
        if !isTaken { job.finish(.failure(Failure(.draining, "ffsstaged is stopping; repeat the request later"))) }
    }

    private func work() {
        while let round = next() { commit(round) }
        state.withLock(wake: .all) { $0.hasStopped = true }
    }

    /// Bytes on disk, then names, then names on disk; only then is anybody told.
    private func commit(_ round: [Built]) {
        var published: [BuildJob] = []
        for (built, failure) in zip(round, disk.bringFiles(round.map(\.written))) {
            do throws(Failure) {
                if let failure { throw failure.failure("cannot publish the account") }
                if try publisher.publish(built.job) {
                    published.append(built.job)
                } else {
                    renew(built)
                }
            } catch { built.job.finish(.failure(error)) }
        }
        guard !published.isEmpty else { return }
        do throws(SystemError) { try disk.bringNames() } catch {
            // Nobody was told of them, and whether a power cut would keep them is not known: they go, and the same
            // requests can be sent again. A later round that succeeds says nothing about this one's names.
            let failure = error.failure("cannot bring the account to disk")
            for job in published {
                publisher.takeBack(job.record)
                job.finish(.failure(failure))
            }
            return
        }
        for job in published { job.finish(.success(())) }
    }

    /// A change has overtaken what the tree was built on: its order is asked about again, as often as need be.
    private func renew(_ built: Built) {
        let (job, written) = (built.job, built.written)
        Task {
            do throws(Failure) {
                try await publisher.renew(job)
                add(job, written: written)
            } catch { job.finish(.failure(error)) }
        }
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

    /// Finishes what was added and ends the thread.
    func stop() {
        state.withLock(wake: .all) { $0.isStopping = true }
        _ = state.wait { $0.hasStopped ? true : nil }
    }
}
