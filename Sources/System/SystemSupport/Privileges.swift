import CLinux
package import FFSModel
import Glibc

/// A user of the system, getpwnam_r(3).
package struct SystemUser: Sendable, Hashable {
    package let name: String
    package let user: UInt32
    package let group: UInt32

    /// nil when there is no such user.
    package init?(named name: String) throws(SystemError) {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16_384)
        let result = getpwnam_r(name, &entry, &buffer, buffer.count, &found)
        guard result == 0 || result == ENOENT else { throw SystemError("getpwnam_r", Errno(result), path: name) }
        guard found != nil else { return nil }
        self.name = name
        user = entry.pw_uid
        group = entry.pw_gid
    }

    /// nil when no user has that number.
    package init?(number: UInt32) throws(SystemError) {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16_384)
        let result = getpwuid_r(number, &entry, &buffer, buffer.count, &found)
        guard result == 0 || result == ENOENT else { throw SystemError("getpwuid_r", Errno(result)) }
        guard found != nil, let text = entry.pw_name else { return nil }
        name = String(cString: text)
        user = entry.pw_uid
        group = entry.pw_gid
    }

    /// The user this process acts as.
    package static var effectiveNumber: UInt32 { geteuid() }
    package static var isRoot: Bool { geteuid() == 0 }

    /// Every group the user is a member of, getgrouplist(3).
    package var groups: [UInt32] {
        var count: Int32 = 64
        while true {
            var list = [gid_t](repeating: 0, count: Int(count))
            if getgrouplist(name, group, &list, &count) >= 0 { return Array(list.prefix(Int(count))) }
        }
    }
}

/// A group of the system, getgrnam_r(3).
package struct SystemGroup: Sendable, Hashable {
    package let name: String
    package let number: UInt32

    /// nil when there is no such group, or none can be looked up.
    package init?(named name: String) {
        var entry = Glibc.group()
        var found: UnsafeMutablePointer<Glibc.group>?
        // A group's members are part of its entry.
        var buffer = [CChar](repeating: 0, count: 1 << 16)
        guard getgrnam_r(name, &entry, &buffer, buffer.count, &found) == 0, found != nil else { return nil }
        self.name = name
        number = entry.gr_gid
    }

    /// This process's own.
    package static var effectiveNumber: UInt32 { getegid() }
}

/// What a process may do, given away once.
package enum Privileges {
    /// Becomes `name` with its own groups, with no way back (saved ids included), and sets NO_NEW_PRIVS.
    ///
    /// Needs root. Throws `configuration` when there is no such user, when it is root, or when a call fails;
    /// the process must then end, as it may have dropped a part.
    package static func become(user name: String) throws(Failure) {
        let user: SystemUser?
        do { user = try SystemUser(named: name) } catch { throw error.failure("cannot look up user \(name)") }
        guard let user else {
            throw Failure(
                .configuration,
                "there is no user \(name); create it (install.sh install does) or name another in the configuration")
        }
        guard user.user != 0 else {
            throw Failure(.configuration, "\(name) is root; name an unprivileged user in the configuration")
        }
        do { try drop(to: user) } catch { throw error.failure("cannot become user \(name)", .configuration) }
    }

    /// Becomes `user` for good: its groups, real, effective and saved ids. Needs root. Afterwards no program this
    /// process starts can gain rights (NO_NEW_PRIVS).
    package static func drop(to user: SystemUser) throws(SystemError) {
        let groups = user.groups
        try check(
            ffs_set_identity(user.user, user.group, groups, groups.count), "setresuid", "to user \(user.name)")
        try refuseNew()
        // A kernel that let us back would make everything above worthless.
        guard user.user == 0 || (setuid(0) != 0 && geteuid() == user.user && getegid() == user.group) else {
            throw SystemError("setresuid", Errno(EPERM), path: "root could be regained after becoming \(user.name)")
        }
    }

    /// Becomes bare numbers with no supplementary groups, for sandboxes.
    package static func drop(user: UInt32, group: UInt32) throws(SystemError) {
        try check(ffs_set_identity(user, group, nil, 0), "setresuid", "to \(user):\(group)")
        try refuseNew()
    }

    /// PR_SET_NO_NEW_PRIVS of prctl(2).
    package static func refuseNew() throws(SystemError) {
        try check(ffs_no_new_privileges(), "prctl NO_NEW_PRIVS", nil)
    }

    /// No core dump and no ptrace(2) by the same user: memory holds secrets.
    package static func hideMemory() throws(SystemError) { try check(ffs_undumpable(), "prctl DUMPABLE", nil) }

    /// chroot(2) into an open directory; the working directory becomes its root.
    package static func changeRoot(to directory: borrowing Descriptor) throws(SystemError) {
        guard fchdir(directory.rawValue) == 0 else { throw SystemError("fchdir", Errno(Glibc.errno)) }
        guard chroot(".") == 0 else { throw SystemError("chroot", Errno(Glibc.errno)) }
    }

    /// umask(2): permission bits that new files never get. Returns the former mask.
    @discardableResult
    package static func setCreationMask(_ mask: UInt32) -> UInt32 { ffs_umask(mask) }
}
