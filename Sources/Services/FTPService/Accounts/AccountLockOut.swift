import FFSModel
import SystemSupport

/// Wrong passwords for one account from one source (``FFSModel/IPAddress/source``), counted over all workers: after the first few, one a minute or so is
/// looked at. Another source is not concerned, so nobody can lock a customer out from elsewhere; and a name that is no
/// account is not counted, so nobody can fill the table.
struct AccountLockOut {
    private let counters: SharedCounters
    private let attempts: Int
    private let seconds: Int

    init(_ counters: SharedCounters, attempts: Int, seconds: Int) {
        self.counters = counters
        self.attempts = attempts
        self.seconds = seconds
    }

    /// Where the failures of one account from one source are counted.
    struct Place { fileprivate let bucket: Int }

    func place(_ name: [UInt8], from address: IPAddress) -> Place {
        Place(bucket: counters.bucket(Array("password ".utf8) + address.source.bytes + name))
    }

    /// Each failure is a debt of ``seconds`` that time pays off; this many may be owed. `now`: the monotonic clock's
    /// nanoseconds.
    func isLocked(_ name: [UInt8], from address: IPAddress, now: Int64) -> Bool {
        isLocked(place(name, from: address), now: now)
    }

    func isLocked(_ place: Place, now: Int64) -> Bool {
        counters.wait(place.bucket, now: now) > Int64(attempts - 1) * Int64(seconds) * 1_000_000_000
    }

    func failed(_ name: [UInt8], from address: IPAddress, now: Int64) {
        counters.take(seconds, rate: 1, from: place(name, from: address).bucket, now: now)
    }
}
