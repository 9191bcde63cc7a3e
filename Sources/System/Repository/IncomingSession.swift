package import FFSModel
package import SystemSupport
import Crypto

/// A private folder below `incoming/` in which contents are written and hashed, then moved to their names.
///
/// Nothing is visible before ``commit()``; what is left when a session ends or its process dies is removed by the
/// session itself or by the next one to open (`flock(2)` tells the living from the dead).
package final class IncomingSession {
    /// A content that is written but has no name yet.
    struct Pending {
        let name: CPath
        let digest: ContentDigest
    }

    let repository: Repository
    private let name: CPath
    private let folder: Descriptor
    private var pending: [Pending] = []
    private var counter = 0
    private let buffer: UnsafeMutableRawBufferPointer

    /// Bytes read and written at once.
    private static let chunk = 1 << 20
    /// Dirty bytes after which write-out starts, so that a final sync does not stall everyone else.
    private static let writebackWindow = 8 << 20

    package init(in repository: Repository) throws(Failure) {
        self.repository = repository
        name = CPath("put-\(ID128.random())")
        do throws(SystemError) {
            try Self.sweep(repository)
            folder = try Repository.folder(name, 0o700, in: repository.incoming, owner: repository.owner)
            guard try folder.tryLock() else { throw SystemError("flock", .wouldBlock, path: name.description) }
        } catch {
            throw error.failure("cannot write to the repository \(repository.path)")
        }
        buffer = .allocate(byteCount: Self.chunk, alignment: 4096)
    }

    deinit {
        buffer.deallocate()
        Self.remove(name, folder, from: repository.incoming)
    }

    /// Removes the folders of sessions whose processes are gone.
    private static func sweep(_ repository: Repository) throws(SystemError) {
        let incoming = try repository.incoming.open(".", [.read, .directory])
        for entry in try incoming.entries() {
            // Another session may open, or remove, the same folder meanwhile.
            guard let folder = try? repository.incoming.open(entry.name, [.read, .directory]),
                (try? folder.tryLock()) == true
            else { continue }
            remove(entry.name, folder, from: repository.incoming)
        }
    }

    private static func remove(_ name: CPath, _ folder: borrowing Descriptor, from incoming: borrowing Descriptor) {
        // Best effort: what stays is found by the next sweep.
        for entry in (try? folder.entries()) ?? [] { try? folder.unlink(entry.name) }
        try? incoming.removeDirectory(name)
    }

    private func nextName() -> CPath {
        counter += 1
        return CPath("\(counter)")
    }

    /// Writes `bytes` as an object-to-be.
    package func put(_ bytes: [UInt8], modified: Timestamp) throws(SystemError) -> ContentDigest {
        let name = nextName()
        let file = try folder.open(name, [.write, .create, .exclusive], permissions: 0o444)
        try file.write(bytes)
        try finish(file, modified: modified)
        var hash = SHA256()
        bytes.withUnsafeBytes { hash.update(bufferPointer: $0) }
        return queue(name, hash.finalize())
    }

    /// Copies `source`'s `size` bytes, hashing on the way; holes stay holes. Shares the data instead (reflink)
    /// where the file system can.
    ///
    /// - Parameter progress: bytes just done.
    /// - Returns: nil when the source turned out shorter than `size`.
    package func put(
        copying source: borrowing Descriptor, size: Int, modified: Timestamp, progress: (Int) -> Void
    ) throws(SystemError) -> ContentDigest? {
        let name = nextName()
        let file = try folder.open(name, [.readWrite, .create, .exclusive], permissions: 0o444)
        let digest: SHA256.Digest?
        if size >= Self.chunk, (try? file.clone(from: source)) != nil {
            digest = try hash(file, size: size, progress: progress)
        } else {
            digest = try copy(source, to: file, size: size, progress: progress)
        }
        guard let digest else { return nil }
        try finish(file, modified: modified)
        return queue(name, digest)
    }

    /// Takes the source's own inode into the repository: hashed, then linked. Its owner and mode become the
    /// repository's. Needs one file system (EXDEV) and ownership of the file, or root (EPERM).
    /// nil when the source is no longer what `isSame` wants once it is hashed.
    package func put(
        linking source: borrowing Descriptor, size: Int, isSame: (FileStatus) -> Bool, progress: (Int) -> Void
    ) throws(SystemError) -> ContentDigest? {
        guard let digest = try hash(source, size: size, progress: progress), isSame(try source.status()) else {
            return nil
        }
        let name = nextName()
        try folder.link(openFile: source, as: name)
        return queue(name, digest)
    }

    private func queue(_ name: CPath, _ digest: SHA256.Digest) -> ContentDigest {
        let words = digest.withUnsafeBytes { bytes in
            (
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self))
            )
        }
        let digest = ContentDigest(words: words)
        pending.append(Pending(name: name, digest: digest))
        return digest
    }

    private func finish(_ file: borrowing Descriptor, modified: Timestamp) throws(SystemError) {
        if let owner = repository.owner { try file.setOwner(user: owner.user, group: owner.group) }
        // Whatever umask(2) took away.
        try file.setPermissions(0o444)
        try file.setModified(modified.seconds)
    }

    private func copy(
        _ source: borrowing Descriptor, to file: borrowing Descriptor, size: Int, progress: (Int) -> Void
    ) throws(SystemError) -> SHA256.Digest? {
        var hash = SHA256()
        var offset = 0
        var written = 0
        source.adviseSequential()
        while offset < size {
            guard let data = try source.dataRange(from: offset) else {
                zeros(size - offset, into: &hash, progress)
                offset = size
                break
            }
            let start = min(data.lowerBound, size)
            zeros(start - offset, into: &hash, progress)
            offset = start
            while offset < min(data.upperBound, size) {
                let wanted = min(Self.chunk, min(data.upperBound, size) - offset)
                let count = try source.read(
                    into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]), at: offset)
                guard count > 0 else { return nil }
                let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
                hash.update(bufferPointer: bytes)
                try file.write(bytes, at: offset)
                offset += count
                written += count
                if written >= Self.writebackWindow {
                    file.startWriteback(offset - written..<offset)
                    written = 0
                }
                progress(count)
            }
        }
        try file.truncate(to: size)
        return hash.finalize()
    }

    private func zeros(_ count: Int, into hash: inout SHA256, _ progress: (Int) -> Void) {
        guard count > 0 else { return }
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
        var rest = count
        while rest > 0 {
            let part = min(rest, Self.chunk)
            hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<part]))
            rest -= part
            progress(part)
        }
    }

    private func hash(
        _ file: borrowing Descriptor, size: Int, progress: (Int) -> Void
    ) throws(SystemError) -> SHA256.Digest? {
        var hash = SHA256()
        var offset = 0
        while offset < size {
            let wanted = min(Self.chunk, size - offset)
            let count = try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]), at: offset)
            guard count > 0 else { return nil }
            hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += count
            progress(count)
        }
        return hash.finalize()
    }

    /// Brings everything put so far to disk, then under its names. An object that exists already stays as it is.
    ///
    /// Names are on disk when this returns: one syncfs(2) each for bytes and names, or fsync(2) when there are few.
    package func commit() throws(SystemError) {
        guard !pending.isEmpty else { return }
        let few = pending.count <= 4
        if few {
            for content in pending { try folder.open(content.name, .read).sync() }
        } else {
            try folder.syncFileSystem()
        }
        for content in pending { try giveName(content) }
        if few {
            for content in pending {
                try repository.withBucket(of: content.digest) { bucket throws(SystemError) in try bucket.sync() }
            }
        } else {
            try folder.syncFileSystem()
        }
        pending.removeAll()
    }

    private func giveName(_ content: Pending) throws(SystemError) {
        try repository.withBucket(of: content.digest) { bucket throws(SystemError) in
            try giveName(content, Repository.name(of: content.digest), in: bucket)
        }
    }

    private func giveName(_ content: Pending, _ final: CPath, in bucket: borrowing Descriptor) throws(SystemError) {
        do { try folder.rename(content.name, to: bucket, final, ifExists: .refuse) } catch {
            guard error.errno == .exists else { throw error }
            try folder.unlink(content.name)
            return
        }
        try own(bucket, final)
    }

    /// Linked-in sources keep their inode's owner and mode until the object has its name; copies have theirs.
    private func own(_ bucket: borrowing Descriptor, _ name: CPath) throws(SystemError) {
        let status = try bucket.status(of: name)
        let isOurs = repository.owner.map { $0.user == status.user } ?? true
        guard status.permissions != 0o444 || !isOurs else { return }
        let file = try bucket.open(name, .read)
        if let owner = repository.owner { try file.setOwner(user: owner.user, group: owner.group) }
        try file.setPermissions(0o444)
    }

    /// Makes replica `number` of an object: another inode with the same bytes, shared (reflink) where the file
    /// system can. `corrupt` when the object's bytes are not those of its name.
    package func replicate(_ digest: ContentDigest, number: Int) throws(Failure) {
        let source = try repository.open(digest)
        let isWhole: Bool
        do { isWhole = try writeReplica(of: digest, from: source, number: number) } catch {
            throw error.failure("cannot make a replica of the repository's object \(digest)")
        }
        guard isWhole else {
            throw Failure(
                .corrupt,
                "the repository's object \(digest) does not hold the bytes of its name; run ffsctl repository verify")
        }
    }

    private func writeReplica(
        of digest: ContentDigest, from source: borrowing Descriptor, number: Int
    ) throws(SystemError) -> Bool {
        let status = try source.status()
        let modified = Timestamp(seconds: status.modified / 1_000_000_000)
        guard try put(copying: source, size: status.size, modified: modified, progress: { _ in }) != nil else {
            return false
        }
        let content = pending.removeLast()
        guard content.digest == digest else {
            try folder.unlink(content.name)
            return false
        }
        try folder.open(content.name, .read).sync()
        try repository.withBucket(of: digest) { bucket throws(SystemError) in
            try giveName(content, Repository.name(of: digest, replica: number), in: bucket)
        }
        return true
    }
}
