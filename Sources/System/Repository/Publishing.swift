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
    /// The same content was there under the same name already.
    package let wasThere: Bool
}

extension Repository {
    /// Puts every file of `source` into the repository and makes it the version `item`.
    ///
    /// All or nothing: until the last step nothing is visible, and a failure leaves no version, no object cut
    /// short and no temporary file. To publish the same content under the same name again is no error.
    ///
    /// - Parameter progress: called after each MiB and each file, on the calling thread.
    /// - Throws: `exists` when the version holds other content, `badRequest` when a file changed meanwhile,
    ///   `denied` for an unreadable file, `noSpace`.
    package func publish(
        _ source: SourceTree, as item: Item, method: PublishMethod = .copy,
        progress: (PublishProgress) -> Void = { _ in }
    ) throws(Failure) -> PublishedVersion {
        let session = try IncomingSession(in: self)
        var files: [Manifest.File] = []
        files.reserveCapacity(source.files.count)
        var bytes = 0
        for file in source.files {
            let digest = try put(file, of: source, method: method, into: session) { count in
                bytes += count
                progress(
                    PublishProgress(
                        bytes: bytes, totalBytes: source.size, files: files.count, totalFiles: source.fileCount))
            }
            files.append(
                Manifest.File(
                    path: file.path, digest: digest, size: file.status.size,
                    isExecutable: file.status.permissions & 0o111 != 0))
        }
        try source.checkFoldersUnchanged()
        progress(
            PublishProgress(bytes: bytes, totalBytes: source.size, files: files.count, totalFiles: files.count))
        let manifest: Manifest
        do { manifest = try Manifest(files: files) } catch {
            throw Failure(.badRequest, "\(source.path) cannot be published: \(error)")
        }
        do throws(SystemError) {
            try session.commit()
            let digest = try session.put(manifest.serialized(), modified: SystemClock.now())
            try session.commit()
            let wasThere = try !enter(item, manifest: digest)
            if wasThere, try self.digest(of: item) != digest { throw SystemError("linkat", .exists) }
            return PublishedVersion(
                item: item, manifest: digest, fileCount: files.count, bytes: manifest.totalSize, wasThere: wasThere)
        } catch {
            if error.errno == .exists {
                throw Failure(
                    .exists,
                    "\(item.product) \(item.version) is published already, with other content; versions never change: publish under a new version, or withdraw this one first"
                )
            }
            throw error.failure("cannot publish \(item.product) \(item.version)")
        }
    }

    /// Puts one file, and makes sure that it stayed as it was seen.
    private func put(
        _ file: SourceTree.SourceFile, of source: SourceTree, method: PublishMethod,
        into session: IncomingSession, progress: (Int) -> Void
    ) throws(Failure) -> ContentDigest {
        do throws(SystemError) {
            let opened = try source.top.descriptor.open(
                CPath(file.path), [.read, .nonBlocking], rules: [.beneath, .noSymbolicLinks])
            let isSame = { (now: FileStatus) in now.isUnchanged(since: file.status) }
            if isSame(try opened.status()), let digest = try put(file, opened, method, session, isSame, progress) {
                return digest
            }
        } catch {
            throw explain(error, file.path, method)
        }
        throw SourceTree.changed("file", "\(file.path)")
    }

    /// nil when the file changed while it was read.
    private func put(
        _ file: SourceTree.SourceFile, _ opened: borrowing Descriptor, _ method: PublishMethod,
        _ session: IncomingSession, _ isSame: (FileStatus) -> Bool, _ progress: (Int) -> Void
    ) throws(SystemError) -> ContentDigest? {
        let size = file.status.size
        switch method {
        case .link: return try session.put(linking: opened, size: size, isSame: isSame, progress: progress)
        case .copy:
            let modified = Timestamp(seconds: file.status.modified / 1_000_000_000)
            let digest = try session.put(copying: opened, size: size, modified: modified, progress: progress)
            return isSame(try opened.status()) ? digest : nil
        }
    }

    private func explain(_ error: SystemError, _ path: RelativePath, _ method: PublishMethod) -> Failure {
        switch (error.errno, method) {
        case (.crossDevice, .link):
            Failure(
                .badRequest,
                "\(path) cannot be linked in: source and repository are on two file systems; publish without --link to copy",
                cause: error.description)
        case (.notPermitted, .link), (.accessDenied, .link):
            Failure(
                .denied, "\(path) cannot be linked in: only its owner or root may; publish without --link to copy",
                cause: error.description)
        default: error.failure("cannot publish \(path)")
        }
    }
}

extension FileStatus {
    /// Same file, same bytes as far as the kernel tells.
    func isUnchanged(since earlier: FileStatus) -> Bool {
        isSameFile(as: earlier) && kind == earlier.kind && size == earlier.size && modified == earlier.modified
            && changed == earlier.changed
    }
}
