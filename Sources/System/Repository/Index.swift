import Crypto
package import FFSModel
package import StoredFormats
package import SystemSupport

extension Repository {
    /// Links the manifest object into the index, durably; false when the version is there already.
    func enter(_ item: Item, manifest digest: ContentDigest) throws(SystemError) -> Bool {
        let product = try Self.folder(CPath(item.product.text), 0o755, in: index, owner: owner)
        try index.sync()
        do throws(SystemError) {
            try withBucket(of: digest) { bucket throws(SystemError) in
                try bucket.link(Self.name(of: digest), to: product, CPath(item.version.text))
            }
        } catch {
            if error.errno == .exists { return false }
            throw error
        }
        try product.sync()
        return true
    }

    /// Puts the manifest object in the place of another one in the index, durably.
    func replace(_ item: Item, manifest digest: ContentDigest) throws(SystemError) {
        let product = try index.open(CPath(item.product.text), [.read, .directory])
        let name = CPath("\(item.version)")
        // No version name starts with a dot, so nobody takes this for one.
        let temporary = CPath(".\(item.version)")
        try? product.unlink(temporary)
        try withBucket(of: digest) { bucket throws(SystemError) in
            try bucket.link(Self.name(of: digest), to: product, temporary)
        }
        try product.rename(temporary, to: product, name, ifExists: .replace)
        // rename(2) does nothing when both are one file already.
        try? product.unlink(temporary)
        try product.sync()
    }

    /// The digest of a version's manifest.
    func digest(of item: Item) throws(SystemError) -> ContentDigest {
        let bytes = try openVersion(item).readAll(limit: Self.manifestSizeLimit) ?? []
        return .sha256(of: bytes)
    }

    /// A million rows with paths of two hundred bytes.
    package static let manifestSizeLimit = 512 << 20

    /// The index entry itself, opened; its inode stands for the manifest's digest as long as it is open.
    package func openVersion(_ item: Item) throws(SystemError) -> Descriptor {
        try index.open(
            CPath("\(item.product)/\(item.version)"), [.read, .nonBlocking], rules: [.beneath, .noSymbolicLinks])
    }

    /// The index entry's status; nil when the version is not published.
    package func versionStatus(_ item: Item) throws(SystemError) -> FileStatus? {
        try index.statusIfPresent(of: CPath("\(item.product)/\(item.version)"))
    }

    /// The first files of a version, as far as the first `bytes` of its manifest tell; reads no more than those.
    ///
    /// - Throws: `notFound`, or `corrupt` when the manifest does not begin like one.
    package func manifestHead(of item: Item, bytes: Int, files: Int) throws(Failure) -> [Manifest.File] {
        let start: [UInt8]
        do { start = try openVersion(item).readStart(bytes) } catch { throw Self.missing(item, error) }
        do { return try Manifest.head(start, limit: files) } catch { throw Self.damaged(item, error) }
    }

    /// The manifest behind an opened index entry, and its digest, which names the content.
    ///
    /// - Throws: `corrupt`, naming the version, when its bytes are no manifest.
    package func manifest(
        of item: Item, _ entry: borrowing Descriptor
    ) throws(Failure) -> (manifest: Manifest, digest: ContentDigest) {
        let bytes: [UInt8]?
        do { bytes = try entry.readAll(limit: Self.manifestSizeLimit) } catch {
            throw error.failure("cannot read the manifest of \(item.product) \(item.version)")
        }
        do { return (try Manifest(bytes: bytes ?? []), .sha256(of: bytes ?? [])) } catch {
            throw Self.damaged(item, error)
        }
    }

    private static func damaged(_ item: Item, _ error: ManifestError) -> Failure {
        Failure(
            .corrupt,
            "the manifest of \(item.product) \(item.version) is damaged (\(error)); run ffsctl repository verify, then publish the version again"
        )
    }

    /// The version's list of files. Throws `not-found`, or `corrupt` when it is damaged.
    package func manifest(of item: Item) throws(Failure) -> Manifest {
        do { return try manifest(of: item, try openVersion(item)).manifest } catch let error as SystemError {
            throw Self.missing(item, error)
        } catch let failure as Failure { throw failure } catch { throw Failure(.internal, "\(error)") }
    }

    /// What to say when a version cannot be opened.
    package static func missing(_ item: Item, _ error: SystemError) -> Failure {
        guard error.errno == .noEntry else {
            return error.failure("cannot open \(item.product) \(item.version) in the repository")
        }
        return Failure(
            .notFound,
            "\(item.product) \(item.version) is not in this storage host's repository; publish it with ffsctl product publish"
        )
    }

    /// Files and bytes of a version, and when it was published: from the manifest's first line alone.
    ///
    /// - Throws: `notFound`, `corrupt`.
    package func summary(of item: Item) throws(Failure) -> (files: Int, bytes: Int, published: Timestamp) {
        let line: [UInt8]
        let published: Timestamp
        do throws(SystemError) {
            let entry = try openVersion(item)
            published = Timestamp(seconds: try entry.status().modified / 1_000_000_000)
            line = Array(try entry.readStart(64).prefix { $0 != UInt8(ascii: "\n") })
        } catch { throw Self.missing(item, error) }
        guard let totals = Manifest.totals(firstLine: line) else {
            throw Failure(
                .corrupt,
                "the manifest of \(item.product) \(item.version) is damaged; run ffsctl repository verify, then publish the version again"
            )
        }
        return (totals.files, totals.bytes, published)
    }

    /// Every published version, in byte order.
    package func versions() throws(Failure) -> [Item] {
        do throws(SystemError) {
            var items: [Item] = []
            for product in try index.open(".", [.read, .directory]).entries() {
                guard let name = try? ProductName(bytes: product.name.bytes) else { continue }
                for version in try index.open(product.name, [.read, .directory]).entries() {
                    guard let version = try? VersionName(bytes: version.name.bytes) else { continue }
                    items.append(Item(product: name, version: version))
                }
            }
            return items
        } catch {
            throw error.failure("cannot list the repository \(path)")
        }
    }

    /// Takes a version out of the index: it cannot be staged any more. Accounts keep their files, and the objects
    /// stay until nothing needs them.
    ///
    /// - Throws: `notFound`.
    package func withdraw(_ item: Item) throws(Failure) {
        do throws(SystemError) {
            let product = try index.open(CPath(item.product.text), [.read, .directory])
            try product.unlink(CPath(item.version.text))
            try product.sync()
            // An empty product folder goes too; one that is not empty stays.
            try? index.removeDirectory(CPath(item.product.text))
        } catch { throw Self.missing(item, error) }
    }
}
