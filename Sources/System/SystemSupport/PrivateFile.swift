package import FFSModel
import Glibc

/// A file that one user alone may read or write, such as a database with password hashes in it.
package enum PrivateFile {
    /// Throws `configuration` with the remedy unless `path` is a regular file of `owner` with one name and no
    /// permission for anybody else. Symbolic links are not followed. Returns false when there is no such file.
    ///
    /// - Parameters:
    ///   - owner: uid.
    ///   - ownerName: the owner's name, for the remedy.
    package static func verify(_ path: String, owner: UInt32, ownerName: String) throws(Failure) -> Bool {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return false }
            throw Failure(.configuration, "cannot look at \(path): \(String(cString: strerror(errno)))")
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw Failure(.configuration, "\(path) is not a regular file; move it away")
        }
        guard status.st_uid == owner else {
            throw Failure(
                .configuration,
                "\(path) belongs to user \(status.st_uid); it must be \(ownerName)'s: chown \(ownerName) \(path)")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw Failure(
                .configuration,
                "\(path) has mode \(octal(status.st_mode)) and so is open to others; close it: chmod 600 \(path)")
        }
        guard status.st_nlink == 1 else {
            throw Failure(
                .configuration, "\(path) has \(status.st_nlink) names (hard links); remove the others")
        }
        return true
    }

    /// Throws `configuration` with the remedy unless `path` is a directory of `owner` that nobody else may write to.
    /// Returns false when there is no such directory.
    package static func verifyDirectory(_ path: String, owner: UInt32, ownerName: String) throws(Failure) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0 else {
            if errno == ENOENT { return false }
            throw Failure(.configuration, "cannot look at \(path): \(String(cString: strerror(errno)))")
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw Failure(.configuration, "\(path) is not a directory; move it away")
        }
        guard status.st_uid == owner else {
            throw Failure(
                .configuration,
                "directory \(path) belongs to user \(status.st_uid); it must be \(ownerName)'s: chown \(ownerName) \(path)"
            )
        }
        guard status.st_mode & 0o022 == 0 else {
            throw Failure(
                .configuration,
                "directory \(path) has mode \(octal(status.st_mode)), so others could exchange its files: chmod 700 \(path)"
            )
        }
        return true
    }

    /// Makes an empty file of mode 0600; nothing when there is one already. The umask does not matter.
    package static func create(_ path: String) throws(Failure) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            if errno == EEXIST { return }
            throw Failure(.configuration, "cannot create \(path): \(String(cString: strerror(errno)))")
        }
        close(descriptor)
    }

    /// Makes a directory of mode 0700; nothing when there is one already. Its parent must be there.
    ///
    /// - Parameter owner: uid and gid to give it to, when running as root.
    package static func createDirectory(_ path: String, owner: (user: UInt32, group: UInt32)? = nil) throws(Failure) {
        guard mkdir(path, 0o700) == 0 else {
            if errno == EEXIST { return }
            throw Failure(
                .configuration,
                "cannot create directory \(path): \(String(cString: strerror(errno))); create it, owned by the daemon's user"
            )
        }
        if let owner, chown(path, owner.user, owner.group) != 0 {
            throw Failure(.configuration, "cannot give \(path) to its user: \(String(cString: strerror(errno)))")
        }
    }

    private static func octal(_ mode: mode_t) -> String { "0" + String(mode & 0o7777, radix: 8) }
}
