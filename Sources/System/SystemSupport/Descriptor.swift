import CLinux
import FFSModel
import Glibc

/// Owns one file descriptor. Closed when it goes away; `close()` where the result matters.
///
/// Raw numbers stay inside this module, but for ``rawValue`` (lent) and ``release()`` (given away), which event
/// loops and TLS need.
package struct Descriptor: ~Copyable, Sendable {
    /// The number, lent for the owner's life: never close it.
    package let rawValue: Int32

    /// Takes ownership of `rawValue`.
    package init(owning rawValue: Int32) { self.rawValue = rawValue }

    deinit { _ = ffs_close(rawValue) }

    /// Closes and reports what close(2) reports: delayed write errors on some file systems.
    package consuming func close() throws(SystemError) {
        let number = release()
        try check(ffs_close(number), "close", nil)
    }

    /// Gives the number away; the new owner closes it.
    package consuming func release() -> Int32 {
        let number = rawValue
        discard self
        return number
    }

    /// A second descriptor of the same open file, close-on-exec.
    package func duplicate() throws(SystemError) -> Descriptor {
        let number = fcntl(rawValue, F_DUPFD_CLOEXEC, 0)
        guard number >= 0 else { throw SystemError("fcntl", Errno(Glibc.errno)) }
        return Descriptor(owning: number)
    }
}

/// How a file is opened; the flags of open(2) that FFS needs. O_CLOEXEC is always set.
package struct OpenMode: OptionSet, Sendable {
    package let rawValue: Int32
    package init(rawValue: Int32) { self.rawValue = rawValue }

    package static var read: OpenMode { [] }
    package static var write: OpenMode { OpenMode(rawValue: O_WRONLY) }
    package static var readWrite: OpenMode { OpenMode(rawValue: O_RDWR) }
    package static var create: OpenMode { OpenMode(rawValue: O_CREAT) }
    /// The file must not exist yet.
    package static var exclusive: OpenMode { OpenMode(rawValue: O_EXCL) }
    package static var truncate: OpenMode { OpenMode(rawValue: O_TRUNC) }
    package static var append: OpenMode { OpenMode(rawValue: O_APPEND) }
    package static var directory: OpenMode { OpenMode(rawValue: O_DIRECTORY) }
    /// Fails with ELOOP when the last component is a symbolic link.
    package static var noFollow: OpenMode { OpenMode(rawValue: O_NOFOLLOW) }
    /// Does not wait for a FIFO's other end.
    package static var nonBlocking: OpenMode { OpenMode(rawValue: O_NONBLOCK) }
    /// A place in the tree only: good for `…at` calls and status, not for reading.
    package static var pathOnly: OpenMode { OpenMode(rawValue: 0o10000000) }  // O_PATH
}

/// Restrictions of openat2(2) on how a path is walked.
package struct ResolveRules: OptionSet, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    /// No mount point may be crossed.
    package static var noMounts: ResolveRules { ResolveRules(rawValue: 0x01) }
    /// No /proc-style magic links.
    package static var noMagicLinks: ResolveRules { ResolveRules(rawValue: 0x02) }
    /// No symbolic link anywhere in the path.
    package static var noSymbolicLinks: ResolveRules { ResolveRules(rawValue: 0x04) }
    /// The walk may not leave the directory.
    package static var beneath: ResolveRules { ResolveRules(rawValue: 0x08) }
    /// The directory is `/` for this walk.
    package static var inRoot: ResolveRules { ResolveRules(rawValue: 0x10) }
}

extension Descriptor {
    /// Opens a path as the operator wrote it, from the working directory.
    package static func open(_ path: CPath, _ mode: OpenMode, permissions: UInt32 = 0) throws(SystemError) -> Descriptor
    {
        let number = try path.withCString { name throws(SystemError) in
            try check(ffs_open(AT_FDCWD, name, mode.rawValue, permissions), "open", path.description)
        }
        return Descriptor(owning: number)
    }

    /// openat(2) below this directory; never follows a symbolic link in the last component.
    package func open(_ path: CPath, _ mode: OpenMode, permissions: UInt32 = 0) throws(SystemError) -> Descriptor {
        let number = try path.withCString { name throws(SystemError) in
            try open(name, mode, permissions: permissions).release()
        }
        return Descriptor(owning: number)
    }

    /// The same for a C string that the caller keeps: no allocation.
    package func open(
        _ name: UnsafePointer<CChar>, _ mode: OpenMode, permissions: UInt32 = 0
    ) throws(SystemError) -> Descriptor {
        Descriptor(
            owning: try check(
                ffs_open(rawValue, name, mode.union(.noFollow).rawValue, permissions), "openat", printable(name)))
    }

    /// openat2(2): the walk obeys `rules`; for paths that a customer wrote.
    package func open(
        _ path: CPath, _ mode: OpenMode, rules: ResolveRules, permissions: UInt32 = 0
    ) throws(SystemError) -> Descriptor {
        let number = try path.withCString { name throws(SystemError) in
            try check(
                ffs_open_beneath(rawValue, name, mode.rawValue, permissions, rules.rawValue), "openat2",
                path.description)
        }
        return Descriptor(owning: number)
    }
}

/// A C string for an error text.
func printable(_ name: UnsafePointer<CChar>) -> String {
    FFSModel.printable(UnsafeBufferPointer(start: name, count: strlen(name)).lazy.map { UInt8(bitPattern: $0) })
}
