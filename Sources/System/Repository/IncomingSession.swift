import Crypto
package import FFSModel
import StoredFormats
package import SystemSupport

/// A private folder below `incoming/` in which contents are written and hashed, then moved to their names.
///
/// Nothing is visible before ``commit()``; what is left when a session ends or its process dies is removed by the
/// session itself or by the next one to open (`flock(2)` tells the living from the dead). One thread at a time.
package final class IncomingSession {
    /// A content that is written but has no name yet.
    struct Pending {
        let name: CPath
        let digest: ContentDigest
        let size: Int
        /// Set when the file is the source itself.
        let linked: LinkedSource?
        /// The repository's object of this name has another size: it is damaged and makes way.
        let replaces: Bool
    }

    let repository: Repository
    private let name: CPath
    let folder: Descriptor
    private var pending: [Pending] = []
    private var counter = 0
    private let copier = ContentCopier()
    /// Whether open(2)'s mode arrives as it is; unknown before the first file. umask(2) may take bits away.
    private var opensWithExactMode: Bool?
    /// Contents, and their bytes, that the repository did not hold.
    private(set) var added = (files: 0, bytes: 0)

    package init(in repository: Repository) throws(Failure) {
        self.repository = repository
        do throws(SystemError) {
            try Self.sweep(repository)
            var name: CPath = ""
            var folder = try Self.makeFolder(&name, repository)
            // Another session's sweep may have taken the new folder for a dead one's.
            while true {
                if try folder.tryLock(), try folder.status().links > 0 { break }
                folder = try Self.makeFolder(&name, repository)
            }
            self.name = name
            self.folder = folder
        } catch {
            throw error.failure("cannot write to the repository \(repository.path)")
        }
    }

    deinit { Self.remove(name, folder, from: repository.incoming) }

    private static func makeFolder(_ name: inout CPath, _ repository: Repository) throws(SystemError) -> Descriptor {
        while true {
            name = CPath("put-\(ID128.random())")
            do throws(SystemError) {
                return try Repository.folder(name, 0o700, in: repository.incoming, owner: repository.owner)
            } catch {
                // Swept between its making and its opening.
                guard error.errno == .noEntry else { throw error }
            }
        }
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
        try write(name, modified: modified) { file throws(SystemError) in try file.write(bytes) }
        return try queue(name, .sha256(of: bytes), size: bytes.count)
    }

    /// Copies `source`'s `size` bytes, hashing on the way; holes stay holes. Shares the data instead (reflink)
    /// where the file system can.
    ///
    /// - Parameter progress: bytes just done.
    /// - Returns: nil when the source turned out shorter than `size`.
    package func put(
        copying source: borrowing Descriptor, size: Int, isSparse: Bool, modified: Timestamp, progress: (Int) -> Void
    ) throws(SystemError) -> ContentDigest? {
        let name = nextName()
        guard let digest = try write(copyOf: source, name, size, isSparse, modified, progress) else {
            try folder.unlink(name)
            return nil
        }
        return try queue(name, digest, size: size)
    }

    private func write(
        copyOf source: borrowing Descriptor, _ name: CPath, _ size: Int, _ isSparse: Bool, _ modified: Timestamp,
        _ progress: (Int) -> Void
    ) throws(SystemError) -> ContentDigest? {
        var digest: ContentDigest?
        try write(name, modified: modified) { file throws(SystemError) in
            if size >= ContentCopier.wholeSize, (try? file.clone(from: source)) != nil {
                digest = try copier.hash(file, size: size, progress: progress)
            } else {
                digest = try copier.copy(source, to: file, size: size, isSparse: isSparse, progress: progress)
            }
        }
        return digest
    }

    /// Makes `name`, an object in all but its name; takes it away again when `body` throws, as a session may live on.
    private func write(
        _ name: CPath, modified: Timestamp, _ body: (borrowing Descriptor) throws(SystemError) -> Void
    ) throws(SystemError) {
        let file = try folder.open(name, [.readWrite, .create, .exclusive], permissions: 0o444)
        do throws(SystemError) {
            try body(file)
            if let owner = repository.owner { try file.setOwner(user: owner.user, group: owner.group) }
            if opensWithExactMode == nil { opensWithExactMode = try file.status().permissions == 0o444 }
            if opensWithExactMode == false { try file.setPermissions(0o444) }
            try file.setModified(modified.seconds)
        } catch {
            try? folder.unlink(name)
            throw error
        }
    }

    /// The digest of `source`'s `size` bytes, of which nothing is written; nil when it is shorter.
    func hash(
        _ source: borrowing Descriptor, size: Int, progress: (Int) -> Void
    ) throws(SystemError) -> ContentDigest? { try copier.hash(source, size: size, progress: progress) }

    /// Takes the source's own inode into the repository: hashed, then linked. Its owner and mode become the
    /// repository's. Needs one file system (EXDEV) and ownership of the file, or root (EPERM).
    ///
    /// - Parameter seen: what the source was when it was looked at.
    /// - Returns: nil when it is no longer that once it is hashed.
    /// - Throws: ETXTBSY when someone has it open for writing.
    func put(
        linking source: borrowing Descriptor, _ seen: LinkedSource, progress: (Int) -> Void
    ) throws(SystemError) -> ContentDigest? {
        guard try !Self.hasWriter(source) else { throw seen.isBusy }
        let size = seen.status.size
        guard let digest = try copier.hash(source, size: size, progress: progress),
            try source.status().holdsSameBytes(as: seen.status)
        else { return nil }
        let name = nextName()
        try folder.link(openFile: source, as: name)
        return try queue(name, digest, size: size, linked: seen)
    }

    private func queue(
        _ name: CPath, _ digest: ContentDigest, size: Int, linked: LinkedSource? = nil
    ) throws(SystemError) -> ContentDigest {
        let known = try repository.status(of: digest)
        if let known, known.size == size {
            // Its name will not be given twice.
            try folder.unlink(name)
        } else if let linked, linked.otherNames > 0 {
            try folder.unlink(name)
            throw linked.hasOtherNames
        } else {
            pending.append(
                Pending(name: name, digest: digest, size: size, linked: linked, replaces: known != nil))
        }
        return digest
    }

    /// Brings everything put so far to disk, then under its names. An object that exists already stays as it is.
    ///
    /// Names are on disk when this returns: one syncfs(2) each for bytes and names, or fsync(2) when there are few.
    ///
    /// What could not be brought to disk is dropped: a second fsync(2) would succeed, as the kernel takes the pages that
    /// it could not write for clean, and a damaged object would get its name.
    package func commit() throws(SystemError) {
        do throws(SystemError) { try bringPending() } catch {
            for content in pending { try? folder.unlink(content.name) }
            pending = []
            throw error
        }
    }

    private func bringPending() throws(SystemError) {
        guard !pending.isEmpty else { return }
        guard pending.count <= 4 else {
            return try repository.bringToDisk(failing: { $0 }) { () throws(SystemError) in try giveNames() }
        }
        for content in pending { try folder.open(content.name, .read).sync() }
        let digests = pending.map(\.digest)
        try giveNames()
        for digest in digests {
            try repository.withBucket(of: digest) { bucket throws(SystemError) in try bucket.sync() }
        }
    }

    /// Moves every pending content, whose bytes must be on disk, to its name.
    func giveNames() throws(SystemError) {
        while let content = pending.last {
            try repository.withBucket(of: content.digest) { bucket throws(SystemError) in
                try giveName(content, Repository.name(of: content.digest), in: bucket)
            }
            pending.removeLast()
        }
    }

    private func giveName(_ content: Pending, _ final: CPath, in bucket: borrowing Descriptor) throws(SystemError) {
        if let linked = content.linked {
            if !content.replaces, try bucket.statusIfPresent(of: final) != nil {
                return try folder.unlink(content.name)
            }
            try adopt(content.name, linked)
        }
        let rule: Descriptor.RenameRule = content.replaces ? .replace : .refuse
        do { try folder.rename(content.name, to: bucket, final, ifExists: rule) } catch {
            guard error.errno == .exists else { throw error }
            return try folder.unlink(content.name)
        }
        added.files += 1
        added.bytes += content.size
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
        let name = nextName()
        let modified = Timestamp(seconds: status.modified / 1_000_000_000)
        let copied = try write(copyOf: source, name, status.size, status.isSparse, modified) { _ in }
        guard copied == digest else {
            try folder.unlink(name)
            return false
        }
        try folder.open(name, .read).sync()
        try repository.withBucket(of: digest) { bucket throws(SystemError) in
            let content = Pending(
                name: name, digest: digest, size: status.size, linked: nil, replaces: false)
            try giveName(content, Repository.name(of: digest, replica: number), in: bucket)
        }
        return true
    }
}
