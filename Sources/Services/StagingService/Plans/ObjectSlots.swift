import FFSModel
import Repository
import Synchronization
import SystemSupport

/// The objects of one plan: their digests, the replica that is linked at present, and how many links
/// it has as far as this plan knows. The file system has the last word (EMLINK).
final class ObjectSlots: @unchecked Sendable {
    // Sendable: `slots` are atomics at fixed addresses, all else is never changed.
    private let slots: UnsafeMutablePointer<Atomic<UInt64>>
    let digests: [ContentDigest]
    /// Bytes of each; 0 where that was not known.
    let sizes: [Int]
    /// When the first source of each was last changed, seconds since 1970.
    let modified: [Int64]

    /// A slot's value: the replica's number above, its links below.
    private static let linkBits: UInt64 = 40

    /// Looks at every object once.
    ///
    /// - Parameter sizes: what each must hold; 0 where that is not known.
    /// - Throws: `corrupt` naming the object that is missing or of another size.
    init(_ digests: [ContentDigest], sizes: [Int], of item: Item, in repository: Repository) throws(Failure) {
        self.digests = digests
        self.sizes = sizes
        var links: [Int] = []
        var modified: [Int64] = []
        links.reserveCapacity(digests.count)
        modified.reserveCapacity(digests.count)
        for (number, digest) in digests.enumerated() {
            let status = try Self.withName(digest) { name throws(Failure) in
                try Self.status(digest, size: sizes[number], of: item, in: repository, name)
            }
            links.append(status.links)
            modified.append(status.modified / 1_000_000_000)
        }
        self.modified = modified
        slots = .allocate(capacity: digests.count)
        for (number, count) in links.enumerated() { (slots + number).initialize(to: Atomic(UInt64(count))) }
    }

    deinit {
        slots.deinitialize(count: digests.count)
        slots.deallocate()
    }

    /// Calls `body` with the digest's 64 hexadecimal digits as a C string, which costs less than keeping it.
    private static func withName<Result, E: Error>(
        _ digest: ContentDigest, _ body: (UnsafePointer<CChar>) throws(E) -> Result
    ) throws(E) -> Result {
        /// Eight digits in the order of memory.
        func digits(_ word: UInt64, _ shift: UInt64) -> UInt64 {
            var all: UInt64 = 0
            for place in 0..<8 as Range<UInt64> {
                let digit = word >> (shift + 28 - 4 * place) & 15
                all |= (digit < 10 ? 0x30 + digit : 0x61 + digit - 10) << (8 * place)
            }
            return all.littleEndian
        }
        let words = digest.words
        let name = (
            digits(words.0, 32), digits(words.0, 0), digits(words.1, 32), digits(words.1, 0), digits(words.2, 32),
            digits(words.2, 0), digits(words.3, 32), digits(words.3, 0), 0 as UInt64
        )
        return try withUnsafePointer(to: name) { pointer throws(E) in
            // 64 digits and a NUL, at the start of 72 bytes.
            try body(UnsafeRawPointer(pointer).assumingMemoryBound(to: CChar.self))
        }
    }

    private static func status(
        _ digest: ContentDigest, size: Int, of item: Item, in repository: Repository, _ name: UnsafePointer<CChar>
    ) throws(Failure) -> FileStatus {
        do {
            let status = try repository.withBucket(of: digest) { bucket throws(SystemError) in
                try bucket.status(of: name)
            }
            if size == 0 || status.size == size { return status }
        } catch {
            guard error.errno == .noEntry else { throw error.failure("cannot look at object \(digest)") }
        }
        throw Failure(
            .corrupt,
            "\(item.product) \(item.version) lacks its object \(digest), or it was cut short; publish the version again (ffsctl repository verify lists all that is missing)"
        )
    }

    /// A use of object `number`: which replica to link, counted already, and the count before.
    struct Use: Equatable {
        let replica: Int
        let links: Int
    }

    func use(_ number: Int) -> Use {
        let value = slots[number].wrappingAdd(1, ordering: .relaxed).oldValue
        return Use(replica: Int(value >> Self.linkBits), links: Int(value & ((1 << Self.linkBits) - 1)))
    }

    func current(_ number: Int) -> Use {
        let value = slots[number].load(ordering: .relaxed)
        return Use(replica: Int(value >> Self.linkBits), links: Int(value & ((1 << Self.linkBits) - 1)))
    }

    func set(_ number: Int, replica: Int, links: Int) {
        slots[number].store(UInt64(replica) << Self.linkBits | UInt64(links), ordering: .relaxed)
    }

    /// Calls `body` with the file name of a replica in its bucket.
    func withName<Result>(_ number: Int, replica: Int, _ body: (UnsafePointer<CChar>) -> Result) -> Result {
        if replica == 0 { return Self.withName(digests[number], body) }
        return CPath("\(digests[number]).\(replica)").withCString(body)
    }
}
