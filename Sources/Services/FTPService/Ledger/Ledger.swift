package import FFSModel
package import SystemSupport

/// The books that all workers keep together: how many sessions there are of whom, how fast they may be served, and what
/// operators want counted. FTP and HTTPS sessions stand in the same books.
///
/// Usable from every thread of a worker: each entry is one atomic addition in ``SharedCounters``.
package final class Ledger: Sendable {
    private let counters: SharedCounters
    /// This worker's own; no other writes there.
    private let column: Int
    private let serverBucket: Int

    package init(_ counters: SharedCounters, column: Int) {
        self.counters = counters
        self.column = column
        serverBucket = Self.serverBucket(counters)
    }

    private static func serverBucket(_ counters: SharedCounters) -> Int { counters.bucket("server".utf8) }

    /// Sessions at all workers, for the supervisor.
    package static func sessions(_ counters: SharedCounters) -> Int { counters.total(serverBucket(counters)) }

    // MARK: Connections

    /// nil: let it in, and call ``left(_:)`` with the same `address` later; counted is its ``FFSModel/IPAddress/source``. Of
    /// two workers that look at the same moment both may admit the last one: limits are exact but for that.
    package func admit(_ address: IPAddress, _ limits: SessionLimits) -> SessionLimits.Refusal? {
        guard counters.total(serverBucket) < limits.server else { return .server }
        let bucket = counters.bucket(address.source.bytes)
        guard counters.total(bucket) < limits.perAddress else { return .address }
        counters.add(1, to: bucket, column: column)
        counters.add(1, to: serverBucket, column: column)
        return nil
    }

    /// A session from this address has ended.
    package func left(_ address: IPAddress) {
        counters.add(-1, to: counters.bucket(address.source.bytes), column: column)
        counters.add(-1, to: serverBucket, column: column)
    }

    // MARK: Accounts

    /// False when the account has as many sessions as it may; otherwise ``signedOut(of:)`` must follow.
    package func signedIn(to account: AccountID, _ limits: SessionLimits) -> Bool {
        let bucket = counters.bucket(account.text.utf8)
        guard counters.total(bucket) < limits.perAccount else { return false }
        counters.add(1, to: bucket, column: column)
        return true
    }

    /// A session of this account has ended.
    package func signedOut(of account: AccountID) {
        counters.add(-1, to: counters.bucket(account.text.utf8), column: column)
    }

    /// What slows a transfer of `account` down; nil: nothing.
    package func rateLimit(of account: AccountID, _ limits: SessionLimits) -> RateLimit? {
        guard limits.limitsRates else { return nil }
        return RateLimit(
            counters, session: limits.sessionRate,
            account: (counters.bucket(account.text.utf8), limits.accountRate),
            server: (serverBucket, limits.serverRate))
    }

    /// Who tried too many wrong passwords.
    func lockOut(_ limits: SessionLimits) -> AccountLockOut {
        AccountLockOut(counters, attempts: limits.lockOutAttempts, seconds: limits.lockOutSeconds)
    }

    // MARK: Statistics

    /// Adds to a statistic of this worker.
    package func count(_ statistic: Statistic, by amount: Int = 1) {
        counters.add(amount, place: statistic.rawValue, column: column)
    }
}
