import CLinux

/// Counters and token buckets that processes share: how many sessions an address or an account has at all workers
/// together, how fast they may be served, and numbers that workers add up for their supervisor.
///
/// A key's bucket is chosen by a hash of it under a secret, so two keys may share one; with 65,536 buckets that matters
/// only to who is close to a limit. Each process also counts in a column of its own, so that what a dead process counted
/// can be taken off again.
package final class SharedCounters: @unchecked Sendable {
    // Sendable: the memory is only touched through the atomic operations of CLinux, or before it is shared.
    private let memory: UnsafeMutableRawPointer
    private let shared: SharedMemory
    private let secret: UInt64

    private static let buckets = 65_536
    package static let columns = 64
    /// The sums come first, then the columns.
    private static let countBytes = (1 + columns) * buckets * MemoryLayout<UInt32>.stride
    private static let rateBytes = buckets * MemoryLayout<Int64>.stride
    /// Numbers of each process, ``add(_:place:column:)``.
    package static let places = 64
    package static let size = countBytes + rateBytes + (columns + 1) * places * MemoryLayout<Int64>.stride
    /// The row of processes that ended.
    private static let ended = columns

    /// Fresh memory, all zero.
    package convenience init(secret: UInt64) throws(SystemError) {
        self.init(try SharedMemory(size: Self.size), secret: secret)
    }

    /// The memory of another process that passed its descriptor on.
    package convenience init(_ descriptor: consuming Descriptor, secret: UInt64) throws(SystemError) {
        self.init(try SharedMemory(descriptor, size: Self.size), secret: secret)
    }

    /// Memory of ``size`` bytes that is there already.
    package init(_ shared: SharedMemory, secret: UInt64) {
        self.shared = shared
        memory = shared.start
        self.secret = secret
    }

    /// To be inherited by another process.
    package var number: Int32 { shared.number }

    /// Where a key is counted; FNV-1a with a secret start, mixed once more.
    package func bucket(_ key: some Sequence<UInt8>) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325 ^ secret
        func mix(_ key: UnsafeBufferPointer<UInt8>) {
            for byte in key { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        }
        // Bytes that lie together need no witness table asked for each.
        if key.withContiguousStorageIfAvailable(mix) == nil { Array(key).withUnsafeBufferPointer(mix) }
        hash = (hash ^ hash >> 32) &* 0xD6E8_FEB8_6659_FD93
        return Int((hash ^ hash >> 32) % UInt64(Self.buckets))
    }

    private func sum(_ bucket: Int) -> UnsafeMutablePointer<UInt32> {
        (memory + bucket * MemoryLayout<UInt32>.stride).assumingMemoryBound(to: UInt32.self)
    }

    private func count(_ bucket: Int, _ column: Int) -> UnsafeMutablePointer<UInt32> {
        (memory + ((1 + column) * Self.buckets + bucket) * MemoryLayout<UInt32>.stride).assumingMemoryBound(
            to: UInt32.self)
    }

    /// The sum over all processes.
    package func total(_ bucket: Int) -> Int { Int(ffs_load32(sum(bucket))) }

    package func add(_ amount: Int32, to bucket: Int, column: Int) {
        ffs_add32(sum(bucket), amount)
        ffs_add32(count(bucket, column), amount)
    }

    /// Forgets what a process that ended had counted; its numbers at `lasting` places stay in the totals.
    package func clear(column: Int, lasting: some Sequence<Int>) {
        for bucket in 0..<Self.buckets {
            let counted = ffs_load32(count(bucket, column))
            guard counted != 0 else { continue }
            add(-Int32(truncatingIfNeeded: counted), to: bucket, column: column)
        }
        for place in lasting { ffs_add64(number(place, Self.ended), ffs_take64(number(place, column))) }
        for place in 0..<Self.places { _ = ffs_take64(number(place, column)) }
    }

    private func number(_ place: Int, _ column: Int) -> UnsafeMutablePointer<Int64> {
        precondition((0..<Self.places).contains(place), "SharedCounters has \(Self.places) places")
        let offset = Self.countBytes + Self.rateBytes + (column * Self.places + place) * MemoryLayout<Int64>.stride
        return (memory + offset).assumingMemoryBound(to: Int64.self)
    }

    /// Adds to the number at `place`, one of ``places``; what places mean is the processes' affair.
    package func add(_ amount: Int, place: Int, column: Int) { ffs_add64(number(place, column), Int64(amount)) }

    /// The sum over all processes, and at lasting places over those that ended.
    package func total(place: Int) -> Int {
        (0...Self.columns).reduce(0) { $0 + Int(ffs_load64(number(place, $1))) }
    }

    private func emptyAt(_ bucket: Int) -> UnsafeMutablePointer<Int64> {
        (memory + Self.countBytes + bucket * MemoryLayout<Int64>.stride).assumingMemoryBound(to: Int64.self)
    }

    /// Nanoseconds to wait until `rate` bytes a second allow more; 0: go on. A tenth of a second may be used at once.
    package func wait(_ bucket: Int, now: Int64) -> Int64 { ffs_bucket_wait(emptyAt(bucket), now, Self.burst) }

    /// Charges `bytes`; gives back for a negative count. The moment at which their time begins, behind that of all who
    /// came before; a tenth of a second earlier they may be used.
    @discardableResult
    package func take(_ bytes: Int, rate: Int, from bucket: Int, now: Int64) -> Int64 {
        ffs_bucket_take(emptyAt(bucket), now, Self.cost(bytes, rate: rate))
    }

    package static let burst: Int64 = 100_000_000

    package static func cost(_ bytes: Int, rate: Int) -> Int64 {
        Int64((Double(bytes) * 1_000_000_000 / Double(max(1, rate))).rounded())
    }
}
