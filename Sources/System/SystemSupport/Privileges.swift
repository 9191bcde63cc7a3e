import CLinux
package import FFSModel
import Glibc

/// Gives up root for good.
package enum Privileges {
    /// Becomes `name` with its own groups, with no way back (saved ids included), and sets NO_NEW_PRIVS.
    ///
    /// Needs root. Throws `configuration` when there is no such user, when it is root, or when a call fails;
    /// the process must then end, as it may have dropped a part.
    package static func become(user name: String) throws(Failure) {
        guard let entry = getpwnam(name) else {
            throw Failure(
                .configuration,
                "there is no user \(name); create it (install.sh install does) or name another in the configuration")
        }
        let user = entry.pointee.pw_uid
        let group = entry.pointee.pw_gid
        guard user != 0 else {
            throw Failure(.configuration, "\(name) is root; name an unprivileged user in the configuration")
        }
        guard initgroups(name, group) == 0, ffs_set_ids(user, group) == 0, ffs_no_new_privileges() == 0 else {
            throw Failure(.configuration, "cannot become user \(name): \(String(cString: strerror(errno)))")
        }
        guard setuid(0) != 0 else {
            throw Failure(.internal, "user \(name) could become root again; refusing to run")
        }
    }
}
