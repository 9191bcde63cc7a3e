import FFSModel
import Repository
import Synchronization
import SystemSupport

/// Links objects into trees, and moves on to a fresh replica when an inode has all the links it may have.
final class ObjectLinker: Sendable {
    let repository: Repository
    /// Links to one inode; lowered when the file system turns out to allow fewer.
    private let ceiling: Atomic<Int>
    /// Replicas and SHA256SUMS objects are written here, one at a time.
    private let session: Monitor<IncomingSession>

    init(repository: Repository, ceiling: Int) throws(Failure) {
        self.repository = repository
        self.ceiling = Atomic(ceiling)
        session = Monitor(try IncomingSession(in: repository))
    }

    /// Makes `name` in `folder` a hard link to object `number` of `objects`.
    func link(
        _ number: Int, of objects: ObjectSlots, to folder: borrowing Descriptor, _ name: UnsafePointer<CChar>
    ) throws(Failure) {
        let digest = objects.digests[number]
        while true {
            let use = objects.use(number)
            if use.links >= ceiling.load(ordering: .relaxed) {
                try rollOver(number, of: objects, from: use.replica, isFull: false)
                continue
            }
            let error = repository.withBucket(of: digest) { bucket in
                objects.withName(number, replica: use.replica) { object in bucket.link(object, to: folder, name) }
            }
            guard let error else { return }
            switch error {
            case .tooManyLinks: try rollOver(number, of: objects, from: use.replica, isFull: true)
            case .noEntry where use.replica > 0:
                // Verification moved it into quarantine.
                try rollOver(number, of: objects, from: use.replica, isFull: true)
            case .noEntry:
                throw Failure(
                    .corrupt,
                    "object \(digest) is missing from the repository; ffsctl repository verify names the versions to publish again"
                )
            case .notPermitted:
                throw Failure(
                    .configuration,
                    "may not link object \(digest): fs.protected_hardlinks wants the linker to own it; chown the repository to staging.user",
                    cause: "linkat: \(error)")
            default: throw SystemError("linkat", error).failure("cannot build the account")
            }
        }
    }

    /// Chooses or makes the replica to use after `replica`. One thread at a time; those who come second find the
    /// work done.
    private func rollOver(
        _ number: Int, of objects: ObjectSlots, from replica: Int, isFull: Bool
    ) throws(Failure) {
        try session.withLock { session throws(Failure) in
            let limit = ceiling.load(ordering: .relaxed)
            let now = objects.current(number)
            if now.replica != replica && now.links < limit { return }
            let digest = objects.digests[number]
            if isFull, let status = try status(digest, replica), status.links < limit {
                ceiling.store(max(status.links, 2), ordering: .relaxed)
            }
            let lowered = ceiling.load(ordering: .relaxed)
            let room = max(1, lowered / 64)
            var next = 0
            while let status = try status(digest, next) {
                // Accounts that went away have made room on an older replica.
                if status.links + room <= lowered, !(isFull && next == replica) {
                    objects.set(number, replica: next, links: status.links)
                    return
                }
                next += 1
            }
            try session.replicate(digest, number: next)
            objects.set(number, replica: next, links: 1)
        }
    }

    private func status(_ digest: ContentDigest, _ replica: Int) throws(Failure) -> FileStatus? {
        do { return try repository.status(of: digest, replica: replica) } catch {
            throw error.failure("cannot look at the replicas of object \(digest)")
        }
    }

    /// Stores `bytes` as an object, for SHA256SUMS.
    func store(_ bytes: [UInt8], as digest: ContentDigest, modified: Timestamp) throws(Failure) {
        do throws(SystemError) {
            if try repository.status(of: digest) != nil { return }
            try session.withLock { session throws(SystemError) in
                _ = try session.put(bytes, modified: modified)
                try session.commit()
            }
        } catch { throw error.failure("cannot store SHA256SUMS in the repository") }
    }
}
