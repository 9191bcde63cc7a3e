package import FFSModel
import StoredFormats
import SystemSupport

/// How the bytes of a source get into the repository.
package enum PublishMethod: Sendable {
    /// A copy, or where the file system can, shared blocks (reflink).
    case copy
    /// The source's own inodes, which from then on belong to the repository: read-only and owned by it.
    case link
}

/// How far a publication is.
package struct PublishProgress: Sendable {
    package let bytes: Int
    package let totalBytes: Int
    package let files: Int
    package let totalFiles: Int
}

/// What was published.
package struct PublishedVersion: Sendable, Hashable {
    package let item: Item
    /// Digest of the manifest.
    package let manifest: ContentDigest
    package let fileCount: Int
    package let bytes: Int
    /// Contents, and their bytes, that the repository did not hold before.
    package let newFiles: Int
    package let newBytes: Int
    /// The same content was there under the same name already.
    package let wasThere: Bool
}

extension Repository {
    /// Puts every file of `source` into the repository and makes it the version `item`.
    ///
    /// All or nothing: until the last step nothing is visible, and a failure leaves no version, no object cut
    /// short and no temporary file. To publish the same content under the same name again is no error, and puts
    /// back objects that verification took away.
    ///
    /// - Parameters:
    ///   - replacing: whether the version may take the place of other content under its name.
    ///   - areas: folders of FFS itself, whose contents are not for customers; those that do not exist are passed over.
    ///   - proceed: called ten times a second, on the calling thread; return false to stop.
    /// - Returns: nil when it was stopped; nothing was published.
    /// - Throws: `exists` when the version holds other content, `badRequest` when a file changed meanwhile,
    ///   `denied` for an unreadable file, `noSpace`, `corrupt` when the version is there but damaged.
    package func publish(
        _ source: SourceTree, as item: Item, method: PublishMethod = .copy, replacing: Bool = false,
        avoiding areas: [String] = [], proceed: (PublishProgress) -> Bool
    ) throws(Failure) -> PublishedVersion? {
        try refuseOwnAreas(source, [path] + areas)
        let existing = replacing ? nil : try existingManifest(of: item)
        // What can be seen without reading a byte.
        if let existing, existing.rows.count != source.fileCount || existing.totalSize != source.size {
            throw Self.holdsOther(item)
        }
        var manifest: Manifest?
        let workers = PublishWorkers(source, as: item, expecting: existing, method: method, into: self)
        let added = try workers.run(proceed: proceed) { digests throws(Failure) in
            try source.checkFoldersUnchanged()
            let new = try source.manifest(digests)
            guard existing == nil || existing == new else { throw Self.holdsOther(item) }
            manifest = new
        }
        guard let added, let manifest else { return nil }
        let (digest, isNew) = try enter(item, manifest, replacing: replacing)
        return PublishedVersion(
            item: item, manifest: digest, fileCount: manifest.rows.count, bytes: manifest.totalSize,
            newFiles: added.files, newBytes: added.bytes, wasThere: !isNew)
    }

    /// The same, from beginning to end.
    package func publish(
        _ source: SourceTree, as item: Item, method: PublishMethod = .copy, replacing: Bool = false
    ) throws(Failure) -> PublishedVersion {
        guard
            let published = try publish(source, as: item, method: method, replacing: replacing, proceed: { _ in true })
        else { throw Failure(.internal, "publishing stopped though nobody asked it to") }
        return published
    }

    /// nil when the version is not published; `corrupt` when its manifest is damaged.
    private func existingManifest(of item: Item) throws(Failure) -> Manifest? {
        do { guard try versionStatus(item) != nil else { return nil } } catch { throw Self.missing(item, error) }
        return try manifest(of: item)
    }

    /// Makes the manifest an object and the object a version; false when the same version came to be meanwhile.
    private func enter(
        _ item: Item, _ manifest: Manifest, replacing: Bool
    ) throws(Failure) -> (digest: ContentDigest, isNew: Bool) {
        let session = try IncomingSession(in: self)
        do throws(SystemError) {
            let digest = try session.put(manifest.serialized(), modified: SystemClock.now())
            try session.commit()
            if try enter(item, manifest: digest) { return (digest, true) }
            if try self.digest(of: item) == digest { return (digest, false) }
            if replacing {
                try replace(item, manifest: digest)
                return (digest, true)
            }
        } catch {
            throw error.failure("cannot publish \(item.product) \(item.version)")
        }
        throw Self.holdsOther(item)
    }

    static func holdsOther(_ item: Item) -> Failure {
        Failure(
            .exists,
            "\(item.product) \(item.version) is published already, with other content; versions never change: publish under a new version, or say --replace"
        )
    }

    /// What FFS keeps for itself is not published: the repository would grow while it is read, accounts and secrets would
    /// be in everybody's hands.
    private func refuseOwnAreas(_ source: SourceTree, _ areas: [String]) throws(Failure) {
        var hit: String?
        do throws(SystemError) {
            let above = try source.foldersAbove()
            for area in areas where hit == nil {
                do throws(SystemError) {
                    let own = try Descriptor.open(CPath(area), .pathOnly).status()
                    if above.contains(where: { $0.isSameFile(as: own) }) { hit = area }
                } catch { if error.errno != .noEntry { throw error } }
            }
        } catch { throw error.failure("cannot look at the source \(source.path)") }
        guard let hit else { return }
        throw Failure(
            .badRequest, "\(source.path) is, holds or lies in \(hit), which is FFS's own; publish a folder beside it")
    }
}

extension SourceTree {
    /// Puts one file into the repository, and makes sure that it stayed as it was seen.
    ///
    /// - Parameter expected: the digest that the file has in the version that is published already. When the
    ///   repository holds it, the file is only read.
    /// - Returns: nil when the file's bytes are not those expected.
    func put(
        _ index: Int, expecting expected: ContentDigest?, method: PublishMethod, into session: IncomingSession,
        progress: (Int) -> Void
    ) throws(Failure) -> ContentDigest? {
        let file = files[index]
        do throws(SystemError) {
            let opened = try top.descriptor.open(
                CPath(file.path), [.read, .nonBlocking], rules: [.beneath, .noSymbolicLinks])
            if let expected, try session.repository.status(of: expected)?.size == file.status.size {
                let digest = try session.hash(opened, size: file.status.size, progress: progress)
                if try opened.status().holdsSameBytes(as: file.status) { return digest == expected ? digest : nil }
            } else if let digest = try put(file, opened, method, session, progress) {
                return digest
            }
        } catch {
            throw explain(error, method, file.path)
        }
        throw Self.changed("file", printable(file.path.bytes))
    }

    /// nil when the file is not, or does not stay, what it was when it was looked at.
    private func put(
        _ file: SourceFile, _ opened: borrowing Descriptor, _ method: PublishMethod, _ session: IncomingSession,
        _ progress: (Int) -> Void
    ) throws(SystemError) -> ContentDigest? {
        let seen = file.status
        switch method {
        case .link:
            guard try opened.status().holdsSameBytes(as: seen) else { return nil }
            return try session.put(linking: opened, linked(file), progress: progress)
        case .copy:
            guard try opened.status().isUnchanged(since: seen) else { return nil }
            let modified = Timestamp(seconds: seen.modified / 1_000_000_000)
            let digest = try session.put(
                copying: opened, size: seen.size, isSparse: seen.isSparse, modified: modified, progress: progress)
            return try opened.status().isUnchanged(since: seen) ? digest : nil
        }
    }

    private func linked(_ file: SourceFile) -> LinkedSource {
        LinkedSource(
            path: file.path, status: file.status,
            otherNames: file.status.links - max(1, names[FileNumber(file.status)] ?? 1))
    }

    /// The manifest of all files, whose digests are in the order of `files`.
    func manifest(_ digests: [ContentDigest]) throws(Failure) -> Manifest {
        let rows = zip(files, digests).map { file, digest in
            Manifest.File(
                path: file.path, digest: digest, size: file.status.size,
                isExecutable: file.status.permissions & 0o111 != 0)
        }
        do { return try Manifest(files: rows) } catch {
            throw Failure(.badRequest, "\(path) cannot be published: \(error)")
        }
    }

    /// Why a file, when it is known which, could not be put.
    func explain(_ error: SystemError, _ method: PublishMethod, _ path: RelativePath? = nil) -> Failure {
        let name = path.map { printable($0.bytes) } ?? error.path ?? self.path
        switch (error.errno, method) {
        case (.textBusy, .link):
            return Failure(
                .badRequest,
                "\(name) cannot be linked in: a program has it open for writing, or changed it; let it finish, or publish without --link to copy"
            )
        case (.tooManyLinks, .link):
            return Failure(
                .badRequest,
                "\(name) cannot be linked in: the file has other names outside the source (find -samefile shows them), which would become read-only with it; publish without --link to copy"
            )
        case (.crossDevice, .link):
            return Failure(
                .badRequest,
                "\(name) cannot be linked in: source and repository are on two file systems; publish without --link to copy",
                cause: error.description)
        case (.notPermitted, .link), (.accessDenied, .link):
            return Failure(
                .denied, "\(name) cannot be linked in: only its owner or root may; publish without --link to copy",
                cause: error.description)
        default: return error.failure("cannot publish \(name)")
        }
    }
}
