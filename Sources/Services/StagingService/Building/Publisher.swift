import FFSModel
import StoredFormats
import Synchronization
import SystemSupport

/// Makes a finished tree an account, if the change feed lets it, and takes that back.
struct Publisher: Sendable {
    let store: AccountStore
    let index: AccountIndex
    /// nil where no change feed is followed.
    let desk: OrderDesk?

    /// Publishes and lists the account; false, and nothing was done, when its order has to be asked about again.
    func publish(_ job: BuildJob) throws(Failure) -> Bool {
        func publish() throws(Failure) {
            do { try store.publish(job.record.account) } catch { throw error.failure("cannot publish the account") }
            // In the index at once, where changes find it.
            index.addReserved(job.record)
        }
        guard let desk, let claim = job.claim.withLock({ $0 }) else {
            try publish()
            return true
        }
        return try desk.feed.publish(claim, publish)
    }

    /// Asks about the order again.
    func renew(_ job: BuildJob) async throws(Failure) {
        guard let desk else { return }
        let claim = try await desk.renew(job.record)
        job.claim.withLock { $0 = claim }
    }

    /// After the publication, before anybody is told: throws when the lease has lapsed since, or a change ended the account.
    func confirm(_ job: BuildJob) throws(Failure) {
        guard let desk, job.claim.withLock({ $0 != nil }) else { return }
        try desk.feed.confirm()
        guard index.contains(job.record.account) else {
            throw Failure(
                .notEntitled,
                "\(job.record.customer) lost the right to what order \(job.record.order) holds while it was staged")
        }
    }

    /// The account is one that is being built again.
    func takeBack(_ record: AccountRecord) {
        do throws(SystemError) { try store.unpublish(record.account) } catch {
            // Ended by a change: it is not there to be taken back.
        }
        index.takeBack(record)
    }
}
