import CLinux
import Glibc

/// What statx(2) tells of a file.
package struct FileStatus: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        case file, directory, symbolicLink, fifo, socket, characterDevice, blockDevice, unknown

        /// For errors: "a symbolic link".
        package var noun: String {
            switch self {
            case .file: "a file"
            case .directory: "a directory"
            case .symbolicLink: "a symbolic link"
            case .fifo: "a FIFO"
            case .socket: "a socket"
            case .characterDevice: "a character device"
            case .blockDevice: "a block device"
            case .unknown: "of an unknown kind"
            }
        }
    }

    package let kind: Kind
    /// The twelve permission bits.
    package let permissions: UInt32
    /// Names the file system; with `inode` it names the file.
    package let device: UInt64
    package let inode: UInt64
    /// Names the mount; 0 where the kernel does not tell.
    package let mount: UInt64
    package let links: Int
    package let user: UInt32
    package let group: UInt32
    /// Bytes.
    package let size: Int
    /// Bytes on disk.
    package let allocated: Int
    /// Nanoseconds since the epoch.
    package let modified: Int64
    /// Last change of data or of anything above, nanoseconds since the epoch.
    package let changed: Int64

    init(_ raw: ffs_status) {
        kind =
            switch raw.mode & UInt32(S_IFMT) {
            case UInt32(S_IFREG): .file
            case UInt32(S_IFDIR): .directory
            case UInt32(S_IFLNK): .symbolicLink
            case UInt32(S_IFIFO): .fifo
            case UInt32(S_IFSOCK): .socket
            case UInt32(S_IFCHR): .characterDevice
            case UInt32(S_IFBLK): .blockDevice
            default: .unknown
            }
        permissions = raw.mode & 0o7777
        device = raw.device
        inode = raw.inode
        mount = raw.mount
        links = Int(raw.links)
        user = raw.user
        group = raw.group
        size = Int(raw.size)
        allocated = Int(raw.blocks) * 512
        modified = raw.modified &* 1_000_000_000 &+ Int64(raw.modified_nanoseconds)
        changed = raw.changed &* 1_000_000_000 &+ Int64(raw.changed_nanoseconds)
    }

    /// Whether both are one file.
    package func isSameFile(as other: FileStatus) -> Bool { device == other.device && inode == other.inode }
}

/// Room on the file system that holds a descriptor; statvfs(3).
package struct FileSystemSpace: Sendable, Hashable {
    /// Bytes in all and bytes that this user may still take.
    package let bytes, freeBytes: UInt64
    /// Both 0 where the file system does not count inodes (btrfs).
    package let inodes, freeInodes: UInt64
    /// statfs(2)'s magic number.
    package let type: Int64

    /// `ext4`, `xfs`, `btrfs`, `tmpfs`, `overlay`; else the magic number in hexadecimal.
    package var typeName: String {
        switch type {
        case 0xEF53: "ext4"
        case 0x5846_5342: "xfs"
        case 0x9123_683E: "btrfs"
        case 0x0102_1994: "tmpfs"
        case 0x794C_7630: "overlay"
        case 0x2FC1_2FC1: "zfs"
        case 0x6969: "nfs"
        default: "0x" + String(type, radix: 16)
        }
    }
}

extension FileSystemSpace {
    /// The name of a file system that shows the kernel's state rather than files; nil for any other. From
    /// linux/magic.h.
    package var kernelName: String? {
        switch type {
        case 0x9FA0: "proc"
        case 0x6265_6572: "sysfs"
        case 0x6462_6720: "debugfs"
        case 0x7472_6163: "tracefs"
        case 0x6367_7270, 0x27_E0EB: "cgroup"
        case 0x1CD1: "devpts"
        case 0x7363_6673: "securityfs"
        case 0xCAFE_4A11: "bpf"
        case 0x6265_6570: "configfs"
        case 0x6165_676C: "pstore"
        case 0x4249_4E4D: "binfmt_misc"
        case 0x1980_0202: "mqueue"
        case 0xDE5E_81E4: "efivarfs"
        default: nil
        }
    }
}

extension Descriptor {
    /// Of the open file, statx(2).
    package func status() throws(SystemError) -> FileStatus {
        var raw = ffs_status()
        try check(ffs_stat(rawValue, nil, &raw), "statx", nil)
        return FileStatus(raw)
    }

    /// The status of `path` below this directory; of a symbolic link itself.
    package func status(of path: CPath) throws(SystemError) -> FileStatus {
        try path.withCString { name throws(SystemError) in try status(of: name) }
    }

    package func status(of name: UnsafePointer<CChar>) throws(SystemError) -> FileStatus {
        var raw = ffs_status()
        try check(ffs_stat(rawValue, name, &raw), "statx", printable(name))
        return FileStatus(raw)
    }

    /// nil when there is no such name.
    package func statusIfPresent(of path: CPath) throws(SystemError) -> FileStatus? {
        do { return try status(of: path) } catch {
            if error.errno == .noEntry { return nil }
            throw error
        }
    }

    /// Whether `path` is a directory, or a link to one.
    package static func isDirectory(_ path: String) -> Bool {
        do throws(SystemError) { _ = try open(CPath(path), [.pathOnly, .directory]) } catch { return false }
        return true
    }

    /// Whether there is something at `path` that can be looked at.
    package static func isThere(_ path: String) -> Bool {
        do throws(SystemError) { _ = try open(CPath(path), [.pathOnly]) } catch { return false }
        return true
    }

    /// Of the file system it lies on, fstatvfs(3).
    package func space() throws(SystemError) -> FileSystemSpace {
        var raw = ffs_space()
        try check(ffs_statvfs(rawValue, &raw), "fstatvfs", nil)
        return FileSystemSpace(
            bytes: raw.bytes, freeBytes: raw.free_bytes, inodes: raw.inodes, freeInodes: raw.free_inodes,
            type: raw.type)
    }
}
