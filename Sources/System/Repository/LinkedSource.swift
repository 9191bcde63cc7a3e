import FFSModel
import SystemSupport

/// A source that is to become an object itself.
struct LinkedSource {
    /// Path in the product, for messages.
    let path: RelativePath
    /// What it was when it was looked at.
    let status: FileStatus
    /// Names of the file outside the source: they would become read-only, and readable by everybody, with it.
    let otherNames: Int

    var hasOtherNames: SystemError { SystemError("linkat", .tooManyLinks, path: printable(path.bytes)) }
    var isBusy: SystemError { SystemError("linkat", .textBusy, path: printable(path.bytes)) }
}

/// Taking a source's own inode into the repository: from then on nobody may change its bytes.
extension IncomingSession {
    /// Gives the source behind `name` to the repository, read-only, and then makes sure that nobody who opened it
    /// before can still write to it.
    ///
    /// - Throws: ETXTBSY when somebody does or did; the source then has its owner and mode back.
    func adopt(_ name: CPath, _ source: LinkedSource) throws(SystemError) {
        let file = try folder.open(name, .read)
        if let owner = repository.owner { try file.setOwner(user: owner.user, group: owner.group) }
        try file.setPermissions(0o444)
        let status = source.status
        guard try !Self.hasWriter(file), try file.status().holdsSameBytes(as: status) else {
            if repository.owner != nil { try file.setOwner(user: status.user, group: status.group) }
            try file.setPermissions(status.permissions)
            throw source.isBusy
        }
    }

    /// Whether someone has the file open for writing, and keeps it so: one who is just closing it, or a child process
    /// that was just forked, is given a moment.
    static func hasWriter(_ file: borrowing Descriptor) throws(SystemError) -> Bool {
        for _ in 0..<10 {
            if try !file.hasWriter() { return false }
            SystemClock.sleep(nanoseconds: 10_000_000)
        }
        return true
    }
}

extension FileStatus {
    /// Whether some of the file has no blocks, or the file system stores it more tightly than it is.
    var isSparse: Bool { allocated < size }

    /// Same file with the same bytes, as far as the kernel tells; owner, mode and names may have changed.
    func holdsSameBytes(as earlier: FileStatus) -> Bool {
        isSameFile(as: earlier) && kind == earlier.kind && size == earlier.size && modified == earlier.modified
    }

    /// The same, and nothing else of the file has changed either.
    func isUnchanged(since earlier: FileStatus) -> Bool { holdsSameBytes(as: earlier) && changed == earlier.changed }
}
