import CLinux
package import FFSModel
import Glibc

/// An errno value, so that callers compare names instead of numbers.
package struct Errno: Sendable, Hashable, CustomStringConvertible {
    package let rawValue: Int32
    package init(_ rawValue: Int32) { self.rawValue = rawValue }

    package static var exists: Errno { Errno(EEXIST) }
    package static var noEntry: Errno { Errno(ENOENT) }
    package static var notPermitted: Errno { Errno(EPERM) }
    package static var accessDenied: Errno { Errno(EACCES) }
    package static var crossDevice: Errno { Errno(EXDEV) }
    package static var tooManyLinks: Errno { Errno(EMLINK) }
    package static var noSpace: Errno { Errno(ENOSPC) }
    package static var symbolicLink: Errno { Errno(ELOOP) }
    package static var notDirectory: Errno { Errno(ENOTDIR) }
    package static var isDirectory: Errno { Errno(EISDIR) }
    package static var notEmpty: Errno { Errno(ENOTEMPTY) }
    package static var notSupported: Errno { Errno(EOPNOTSUPP) }
    package static var invalid: Errno { Errno(EINVAL) }
    package static var wouldBlock: Errno { Errno(EAGAIN) }
    package static var interrupted: Errno { Errno(EINTR) }
    package static var nameTooLong: Errno { Errno(ENAMETOOLONG) }
    package static var inputOutput: Errno { Errno(EIO) }
    package static var tooManyOpenFiles: Errno { Errno(EMFILE) }
    package static var readOnly: Errno { Errno(EROFS) }
    package static var addressInUse: Errno { Errno(EADDRINUSE) }
    package static var textBusy: Errno { Errno(ETXTBSY) }

    /// The C library's text, in English.
    package var description: String { ffs_error_text(rawValue).map { String(cString: $0) } ?? "error \(rawValue)" }
}

/// A system call that failed: which, on what, why, and what usually helps.
package struct SystemError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The call's name in the manual, such as `openat`.
    package let call: String
    package let errno: Errno
    /// What it was applied to, for people; nil where the call has no object.
    package let path: String?

    package init(_ call: String, _ errno: Errno, path: String? = nil) {
        self.call = call
        self.errno = errno
        self.path = path
    }

    /// `openat /srv/ffs/accounts: Permission denied; …remedy…`
    package var description: String {
        "\(call)\(path.map { " \($0)" } ?? ""): \(errno)\(remedy.map { "; \($0)" } ?? "")"
    }

    /// What an operator can do; nil where nothing general can be said.
    package var remedy: String? {
        if errno.rawValue == ENOSYS { return Self.missingCallRemedy }
        // These need no right but are refused where a filter forbids them.
        if errno.rawValue == EPERM, call.utf8.starts(with: "landlock".utf8) || call == "seccomp" || call == "openat2" {
            return Self.filterRemedy
        }
        return switch errno.rawValue {
        case ENOENT: "create it, or correct the path"
        case EACCES, EPERM: "check owner and modes of it and of the directories above, and the user this runs as"
        case ENOSPC: "the file system has no bytes or no inodes left (df, df -i): free some or enlarge it"
        case EDQUOT: "the user's disk quota is used up: raise it or free some"
        case EROFS: "the file system is mounted read-only: remount it, or look in dmesg for the reason"
        case EXDEV: "both must be on one file system and one mount"
        case EMFILE: "the process has too many open files: raise LimitNOFILE (ulimit -n)"
        case ENFILE: "the machine has too many open files: raise fs.file-max"
        case ELOOP: "a symbolic link is in the way: name its target instead"
        case ENOTDIR: "a component of the path is not a directory"
        case EISDIR: "it is a directory"
        case ENAMETOOLONG: "a name may have 255 bytes, a path 4,095"
        case EIO: "the disk or its file system reports an error: see dmesg"
        case EOPNOTSUPP: "the file system does not support this: use ext4, XFS or btrfs"
        case EBUSY: "something else uses it"
        case ENOMEM: "the machine is out of memory"
        case ETXTBSY: "a program is being run from it"
        default: nil
        }
    }

    private static let filterRemedy =
        "a seccomp filter over this process refuses the call: allow it (systemd: RestrictSUIDSGID=, SystemCallFilter=; "
        + "containers: their seccomp profile)"

    /// A kernel that has every call needed and still says ENOSYS does not speak for itself.
    private static var missingCallRemedy: String {
        Kernel.isRecent ? filterRemedy : "the kernel is too old: Linux 5.8 or later is needed"
    }

    /// The failure code that fits `errno` best.
    package var code: FailureCode {
        switch errno.rawValue {
        case ENOENT: .notFound
        case EACCES, EPERM, EROFS: .denied
        case ENOSPC, EDQUOT: .noSpace
        case EEXIST: .exists
        case EMFILE, ENFILE, ENOMEM: .busy
        default: .internal
        }
    }

    /// This error at a service's edge: `what` says what could not be done.
    package func failure(_ what: String, _ code: FailureCode? = nil) -> Failure {
        let object = path.map { " (\($0))" } ?? ""
        return Failure(
            code ?? self.code, "\(what)\(object): \(errno)\(remedy.map { "; \($0)" } ?? "")", cause: description)
    }
}

/// Turns a `-errno` result of CLinux into a throw; `path` is only made when there is something to report.
@discardableResult
@inline(__always)
func check(_ result: Int32, _ call: StaticString, _ path: @autoclosure () -> String?) throws(SystemError) -> Int32 {
    guard result < 0 else { return result }
    throw SystemError("\(call)", Errno(-result), path: path())
}
