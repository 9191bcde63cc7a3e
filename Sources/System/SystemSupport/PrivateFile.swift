package import FFSModel
import Glibc

/// Files and directories that one user alone may change, such as a database with password hashes in it.
package enum PrivateFile {
    /// Throws `configuration` with the remedy unless `path` is a regular file of `owner` with one name and no
    /// permission for anybody else. Symbolic links are not followed. Returns false when there is no such file.
    package static func verify(_ path: String, owner: SystemUser) throws(Failure) -> Bool {
        guard let status = try status(of: path, [.pathOnly, .noFollow]) else { return false }
        guard status.kind == .file else {
            throw Failure(.configuration, "\(path) is \(status.kind.noun), not a regular file; move it away")
        }
        try verifyOwner(status, path, owner)
        guard status.permissions & 0o077 == 0 else {
            throw Failure(
                .configuration,
                "\(path) has mode \(octal(status)) and so is open to others; close it: chmod 600 \(path)")
        }
        guard status.links == 1 else {
            throw Failure(.configuration, "\(path) has \(status.links) names (hard links); remove the others")
        }
        return true
    }

    /// Throws `configuration` with the remedy unless `path` is a directory of `owner` that nobody else may write to.
    /// Returns false when there is no such directory.
    package static func verifyDirectory(_ path: String, owner: SystemUser) throws(Failure) -> Bool {
        guard let status = try status(of: path, [.pathOnly]) else { return false }
        guard status.kind == .directory else {
            throw Failure(.configuration, "\(path) is \(status.kind.noun), not a directory; move it away")
        }
        try verifyOwner(status, path, owner)
        guard status.permissions & 0o022 == 0 else {
            throw Failure(
                .configuration,
                "directory \(path) has mode \(octal(status)), so others could exchange its files: chmod 700 \(path)")
        }
        return true
    }

    /// Makes an empty file of mode 0600, whatever the umask; nothing when the name is taken.
    package static func create(_ path: String) throws(Failure) {
        do {
            try Descriptor.open(CPath(path), [.write, .create, .exclusive, .noFollow], permissions: 0o600)
                .setPermissions(0o600)
        } catch {
            if error.errno == .exists { return }
            throw error.failure("cannot create \(path)", .configuration)
        }
    }

    /// Makes a directory of mode 0700; nothing when the name is taken. Its parent must be there.
    ///
    /// - Parameter owner: whose it shall be, when this is not their process; needs root.
    package static func createDirectory(_ path: String, owner: SystemUser? = nil) throws(Failure) {
        guard mkdir(path, 0o700) == 0 else {
            let error = SystemError("mkdir", Errno(errno), path: nil)
            if error.errno == .exists { return }
            throw error.failure("cannot create directory \(path)", .configuration)
        }
        guard let owner else { return }
        do {
            try Descriptor.open(CPath(path), [.read, .directory, .noFollow])
                .setOwner(user: owner.user, group: owner.group)
        } catch { throw error.failure("cannot give directory \(path) to \(owner.name)", .configuration) }
    }

    private static func status(of path: String, _ mode: OpenMode) throws(Failure) -> FileStatus? {
        do { return try Descriptor.open(CPath(path), mode).status() } catch {
            if error.errno == .noEntry { return nil }
            throw error.failure("cannot look at \(path)", .configuration)
        }
    }

    private static func verifyOwner(_ status: FileStatus, _ path: String, _ owner: SystemUser) throws(Failure) {
        guard status.user == owner.user else {
            throw Failure(
                .configuration,
                "\(path) belongs to user \(status.user); it must be \(owner.name)'s: chown \(owner.name) \(path)")
        }
    }

    private static func octal(_ status: FileStatus) -> String { "0" + String(status.permissions, radix: 8) }
}
