import FFSModel
import Repository
import Synchronization
import SystemSupport

/// Links objects into trees, and moves on to a fresh replica when an inode has all the links it may have.
final class ObjectLinker: Sendable {
    let repository: Repository
    /// Links to one inode; lowered when the file system turns out to allow fewer.
    private let ceiling: Atomic<Int>
    private let replicas: ReplicaMaker
    /// SHA256SUMS objects are written here, one at a time.
    private let session: Monitor<IncomingSession>
    /// One thread at a time changes slots.
    private let rolling = Mutex<Void>(())

    /// From this ceiling on, replicas are made ahead of need.
    private static let preparedCeiling = 1_024

    init(repository: Repository, ceiling: Int) throws(Failure) {
        self.repository = repository
        self.ceiling = Atomic(ceiling)
        replicas = try ReplicaMaker(repository: repository)
        session = Monitor(try IncomingSession(in: repository))
    }

    /// Makes `name` in `folder` a hard link to object `number` of `objects`.
    func link(
        _ number: Int, of objects: ObjectSlots, to folder: borrowing Descriptor, _ name: UnsafePointer<CChar>
    ) throws(Failure) {
        let digest = objects.digests[number]
        while true {
            let limit = ceiling.load(ordering: .relaxed)
            let use = objects.use(number)
            if use.links >= limit {
                try rollOver(number, of: objects, from: use.replica, isFull: false)
                continue
            }
            // Seven eighths full, and every 256 links from there on, in case the first call came to nothing.
            if limit >= Self.preparedCeiling, use.links >= limit / 8 * 7, (use.links - limit / 8 * 7) % 256 == 0 {
                prepare(number, of: objects, beside: use.replica)
            }
            let error = repository.withBucket(of: digest) { bucket in
                objects.withName(number, replica: use.replica) { object in bucket.link(object, to: folder, name) }
            }
            guard let error else { return }
            try explain(error, number, of: objects, use)
        }
    }

    /// Returns when linking can be tried again.
    private func explain(
        _ error: Errno, _ number: Int, of objects: ObjectSlots, _ use: ObjectSlots.Use
    ) throws(Failure) {
        let digest = objects.digests[number]
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

    /// Chooses the replica to use after `replica`, or has one made. Those who come second find the work done.
    private func rollOver(
        _ number: Int, of objects: ObjectSlots, from replica: Int, isFull: Bool
    ) throws(Failure) {
        let isDone = try rolling.withLock { _ throws(Failure) -> Bool in
            let limit = ceiling.load(ordering: .relaxed)
            let now = objects.current(number)
            if now.replica != replica && now.links < limit { return true }
            let digest = objects.digests[number]
            if isFull, let status = try status(digest, replica), status.links < limit {
                ceiling.store(max(status.links, 2), ordering: .relaxed)
            }
            guard let next = try roomy(digest, except: isFull ? replica : nil) else { return false }
            objects.set(number, replica: next.replica, links: next.links)
            return true
        }
        // Not under the lock: other objects go on meanwhile.
        if !isDone { try replicas.make(objects.digests[number]) }
    }

    /// Has a replica made while the present one still takes links.
    private func prepare(_ number: Int, of objects: ObjectSlots, beside replica: Int) {
        let digest = objects.digests[number]
        // An error will show when the replica is needed.
        guard (try? roomy(digest, except: replica)) == nil else { return }
        replicas.prepare(digest)
    }

    /// The first replica with room for a while: accounts that went away leave it on older ones.
    private func roomy(_ digest: ContentDigest, except full: Int?) throws(Failure) -> ObjectSlots.Use? {
        let limit = ceiling.load(ordering: .relaxed)
        let room = max(1, limit / 64)
        var number = 0
        while let status = try status(digest, number) {
            if number != full, status.links + room <= limit {
                return ObjectSlots.Use(replica: number, links: status.links)
            }
            number += 1
        }
        return nil
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

    /// The bytes of a SHA256SUMS object.
    func content(_ digest: ContentDigest) throws(Failure) -> [UInt8] {
        let object = try repository.open(digest)
        let content: [UInt8]?
        // It names the folder on each line, which the manifest does once.
        do { content = try object.readAll(limit: 4 * Repository.manifestSizeLimit) } catch {
            throw error.failure("cannot read the repository's object \(digest)")
        }
        guard let content else {
            throw Failure(.corrupt, "the repository's object \(digest) is too large for a SHA256SUMS")
        }
        return content
    }

    func stop() { replicas.stop() }
}
