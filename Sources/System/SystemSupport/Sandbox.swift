import CLinux
import Glibc

/// What a worker gives up before it reads its first byte from a stranger, in this order:
/// descriptors, file tree (``Privileges/changeRoot(to:)``), user (``Privileges/drop(to:)``), files, system calls.
///
/// Each call is for good, for every thread, and survives execve(2).
package enum Sandbox {
    /// Whether the kernel enforces a restriction; an operator wants to know when it does not.
    package enum Outcome: Sendable, Hashable {
        case enforced
        /// The kernel was built or booted without it.
        case unavailable
    }

    /// Closes every descriptor above 2 but those in `kept`, close_range(2).
    package static func closeAllDescriptors(except kept: [Int32]) throws(SystemError) {
        let sorted = kept.sorted()
        try check(ffs_close_all_but(sorted, sorted.count), "close_range", nil)
    }

    /// Landlock: nothing outside `directory` can be opened any more, and inside it only for reading.
    /// Descriptors that are open already stay as they are. Needs NO_NEW_PRIVS or root.
    package static func restrictFiles(beneath directory: borrowing Descriptor) throws(SystemError) -> Outcome {
        let result = ffs_restrict_files(directory.rawValue)
        if result == -ENOSYS || result == -EOPNOTSUPP { return .unavailable }
        try check(result, "landlock_restrict_self", nil)
        return .enforced
    }

    /// Whether this process can still make a UNIX socket, which ``restrictSystemCalls()`` forbids.
    package static func canMakeLocalSockets() -> Bool {
        do throws(SystemError) { _ = try Descriptor.socketPair() } catch { return false }
        return true
    }

    /// seccomp(2): calls outside a network file server's list fail with EPERM, and execve(2), ptrace(2) and their like
    /// end the process. Needs NO_NEW_PRIVS.
    package static func restrictSystemCalls() throws(SystemError) -> Outcome {
        let result = ffs_restrict_system_calls()
        if result == -ENOSYS || result == -EINVAL { return .unavailable }
        try check(result, "seccomp", nil)
        return .enforced
    }
}
