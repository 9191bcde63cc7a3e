package import FFSModel
package import SystemSupport

/// Content named by its SHA-256, and the index of product versions (docs/formats.md).
///
/// Safe to use from several threads and processes at once: objects are only ever added, whole, under names that
/// follow from their bytes.
package final class Repository: Sendable {
    /// As the operator wrote it, for messages.
    package let path: String
    package let root: Descriptor
    /// `objects/00` … `objects/ff`.
    private let buckets: [OpenDirectory]
    let index: Descriptor
    let incoming: Descriptor
    let quarantine: Descriptor
    /// Who owns what is written here when this process is root; nil: whoever runs.
    let owner: SystemUser?

    /// Noncopyable descriptors cannot live in an array; references to them can.
    final class OpenDirectory: Sendable {
        let descriptor: Descriptor
        init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }
    }

    /// Opens the repository at `path`, an existing directory, and makes the folders it lacks.
    ///
    /// - Parameter owner: `staging.user`; used when this process is root, so that root may publish too.
    /// - Throws: `notFound`, `denied`, `configuration` with what to do.
    package init(path: String, owner: SystemUser?) throws(Failure) {
        self.path = path
        self.owner = SystemUser.isRoot ? owner : nil
        do throws(SystemError) {
            root = try Descriptor.open(CPath(path), [.read, .directory])
            let objects = try Self.folder("objects", 0o755, in: root, owner: self.owner)
            index = try Self.folder("index", 0o755, in: root, owner: self.owner)
            incoming = try Self.folder("incoming", 0o700, in: root, owner: self.owner)
            quarantine = try Self.folder("quarantine", 0o700, in: root, owner: self.owner)
            var buckets: [OpenDirectory] = []
            for number in 0..<256 {
                let name = CPath(Hex.string([UInt8(number)]))
                buckets.append(OpenDirectory(try Self.folder(name, 0o755, in: objects, owner: self.owner)))
            }
            self.buckets = buckets
        } catch {
            throw error.failure("cannot open the repository \(path)")
        }
    }

    /// Makes (if need be), owns and opens a folder.
    static func folder(
        _ name: CPath, _ permissions: UInt32, in parent: borrowing Descriptor, owner: SystemUser?
    ) throws(SystemError) -> Descriptor {
        do { try parent.makeDirectory(name, permissions: permissions) } catch {
            guard error.errno == .exists else { throw error }
            return try parent.open(name, [.read, .directory])
        }
        let folder = try parent.open(name, [.read, .directory])
        if let owner { try folder.setOwner(user: owner.user, group: owner.group) }
        // Whatever umask(2) took away.
        try folder.setPermissions(permissions)
        return folder
    }

    /// The bucket directory that holds `digest` and its replicas.
    package func withBucket<Result, E: Error>(
        of digest: ContentDigest, _ body: (borrowing Descriptor) throws(E) -> Result
    ) throws(E) -> Result {
        try body(buckets[Int(digest.words.0 >> 56)].descriptor)
    }

    func withBucket<Result, E: Error>(
        number: Int, _ body: (borrowing Descriptor) throws(E) -> Result
    ) throws(E) -> Result {
        try body(buckets[number].descriptor)
    }

    /// The name of an object, or of its replica `number`.
    static func name(of digest: ContentDigest, replica number: Int = 0) -> CPath {
        CPath(number == 0 ? "\(digest)" : "\(digest).\(number)")
    }

    /// Names contents in the one order that survives a power cut at any point: bytes on disk, then names, then the names
    /// on disk. One syncfs(2) each.
    func bringToDisk<E: Error>(
        failing: (SystemError) -> E, naming: () throws(E) -> Void
    ) throws(E) {
        func sync() throws(E) {
            do { try incoming.syncFileSystem() } catch { throw failing(error) }
        }
        try sync()
        try naming()
        try sync()
    }

    /// nil when the object (or that replica) is not there.
    package func status(of digest: ContentDigest, replica number: Int = 0) throws(SystemError) -> FileStatus? {
        try withBucket(of: digest) { bucket throws(SystemError) in
            try bucket.statusIfPresent(of: Self.name(of: digest, replica: number))
        }
    }

    /// Opens an object for reading; `corrupt` when it is missing, as someone relies on it.
    package func open(_ digest: ContentDigest) throws(Failure) -> Descriptor {
        do throws(SystemError) {
            let number = try withBucket(of: digest) { bucket throws(SystemError) in
                try bucket.open(Self.name(of: digest), .read).release()
            }
            return Descriptor(owning: number)
        } catch {
            throw error.failure(
                "cannot open the repository's object \(digest)", error.errno == .noEntry ? .corrupt : nil)
        }
    }
}
