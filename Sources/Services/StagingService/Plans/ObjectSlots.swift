import FFSModel
import Repository
import Synchronization
import SystemSupport

/// The objects of one plan: their names as C strings, the replica that is linked at present, and how many links
/// it has as far as this plan knows. The file system has the last word (EMLINK).
final class ObjectSlots: @unchecked Sendable {
    // Sendable: `names` is written once in init; `slots` are atomics at fixed addresses.
    private let names: UnsafeMutablePointer<CChar>
    private let slots: UnsafeMutablePointer<Atomic<UInt64>>
    let digests: [ContentDigest]

    /// 64 digits and the NUL.
    private static let nameSize = 65
    /// A slot's value: the replica's number above, its links below.
    private static let linkBits: UInt64 = 40

    /// Looks at every object once.
    ///
    /// - Parameter sizes: what each must hold; 0 where that is not known.
    /// - Throws: `corrupt` naming the object that is missing or of another size.
    init(_ digests: [ContentDigest], sizes: [Int], of item: Item, in repository: Repository) throws(Failure) {
        self.digests = digests
        names = .allocate(capacity: digests.count * Self.nameSize)
        slots = .allocate(capacity: digests.count)
        for (number, digest) in digests.enumerated() {
            let name = names + number * Self.nameSize
            for (index, digit) in digest.hex.enumerated() { (name + index).initialize(to: CChar(bitPattern: digit)) }
            (name + 64).initialize(to: 0)
            let links = try Self.links(digest, size: sizes[number], of: item, in: repository, name)
            (slots + number).initialize(to: Atomic(UInt64(links)))
        }
    }

    deinit {
        slots.deinitialize(count: digests.count)
        slots.deallocate()
        names.deallocate()
    }

    private static func links(
        _ digest: ContentDigest, size: Int, of item: Item, in repository: Repository, _ name: UnsafePointer<CChar>
    ) throws(Failure) -> Int {
        do {
            let status = try repository.withBucket(of: digest) { bucket throws(SystemError) in
                try bucket.status(of: name)
            }
            if size == 0 || status.size == size { return status.links }
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
        let name = UnsafePointer(names + number * Self.nameSize)
        if replica == 0 { return body(name) }
        return CPath("\(digests[number]).\(replica)").withCString(body)
    }
}
