import CLinux
import Glibc

/// Calls relative to a directory descriptor. Those that take `UnsafePointer<CChar>` are for hot loops over
/// prepared C strings; the others take any ``CPath``.
extension Descriptor {
    /// mkdirat(2); fails with EEXIST.
    package func makeDirectory(_ path: CPath, permissions: UInt32) throws(SystemError) {
        try path.withCString { name throws(SystemError) in try makeDirectory(name, permissions: permissions) }
    }

    package func makeDirectory(_ name: UnsafePointer<CChar>, permissions: UInt32) throws(SystemError) {
        try check(ffs_mkdir(rawValue, name, permissions), "mkdirat", printable(name))
    }

    /// Makes the directory unless it is there, and opens it.
    package func ensureDirectory(_ path: CPath, permissions: UInt32) throws(SystemError) -> Descriptor {
        do { try makeDirectory(path, permissions: permissions) } catch { if error.errno != .exists { throw error } }
        return try open(path, [.read, .directory])
    }

    /// linkat(2): `newName` in `directory` becomes one more name of `name` here.
    package func link(_ name: CPath, to directory: borrowing Descriptor, _ newName: CPath) throws(SystemError) {
        let target = directory.rawValue
        try name.withCString { old throws(SystemError) in
            try newName.withCString { new throws(SystemError) in
                _ = try check(ffs_link(rawValue, old, target, new), "linkat", newName.description)
            }
        }
    }

    /// linkat(2) for hot loops: nil when it worked.
    @inline(__always)
    package func link(
        _ name: UnsafePointer<CChar>, to directory: borrowing Descriptor, _ newName: UnsafePointer<CChar>
    ) -> Errno? {
        let result = ffs_link(rawValue, name, directory.rawValue, newName)
        return result < 0 ? Errno(-result) : nil
    }

    /// Gives an open file one more name. Fails with EEXIST, never overwrites.
    package func link(openFile: borrowing Descriptor, as name: CPath) throws(SystemError) {
        let file = openFile.rawValue
        try name.withCString { new throws(SystemError) in
            _ = try check(ffs_link_open_file(file, rawValue, new), "linkat", name.description)
        }
    }

    /// What renameat2(2) does when the new name exists.
    package enum RenameRule: UInt32, Sendable { case replace = 0, refuse = 1, exchange = 2 }

    package func rename(
        _ name: CPath, to directory: borrowing Descriptor, _ newName: CPath, ifExists rule: RenameRule
    ) throws(SystemError) {
        let target = directory.rawValue
        try name.withCString { old throws(SystemError) in
            try newName.withCString { new throws(SystemError) in
                _ = try check(
                    ffs_rename(rawValue, old, target, new, rule.rawValue), "renameat2", newName.description)
            }
        }
    }

    /// unlinkat(2), of anything but a directory.
    package func unlink(_ path: CPath) throws(SystemError) {
        try path.withCString { name throws(SystemError) in
            _ = try check(ffs_unlink(rawValue, name, 0), "unlinkat", path.description)
        }
    }

    /// unlinkat(2) of an empty directory.
    package func removeDirectory(_ path: CPath) throws(SystemError) {
        try path.withCString { name throws(SystemError) in
            _ = try check(ffs_unlink(rawValue, name, 1), "unlinkat", path.description)
        }
    }

    /// One name in a directory.
    package struct DirectoryEntry: Sendable {
        package let name: CPath
        /// `.unknown` where the file system does not tell; ask `status(of:)` then.
        package let kind: FileStatus.Kind
        package let inode: UInt64
    }

    /// Calls `body` for each name but `.` and `..`, in the file system's order, until it returns false.
    /// Starts at the first name. This descriptor's position is used: one iteration at a time.
    package func forEachEntry(_ body: (DirectoryEntry) throws(SystemError) -> Bool) throws(SystemError) {
        guard lseek(rawValue, 0, SEEK_SET) == 0 else { throw SystemError("lseek", Errno(Glibc.errno)) }
        let size = 32_768
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
        defer { buffer.deallocate() }
        while true {
            let bytes = ffs_getdents(rawValue, buffer, size)
            guard bytes >= 0 else { throw SystemError("getdents64", Errno(Int32(-bytes))) }
            guard bytes > 0 else { return }
            var offset = 0
            while offset < bytes {
                // struct linux_dirent64: ino 8, off 8, reclen 2, type 1, name with its NUL.
                let record = UnsafeRawPointer(buffer + offset)
                offset += Int(record.loadUnaligned(fromByteOffset: 16, as: UInt16.self))
                let name = (record + 19).assumingMemoryBound(to: UInt8.self)
                let length = strlen(UnsafeRawPointer(name).assumingMemoryBound(to: CChar.self))
                let bytes = UnsafeBufferPointer(start: name, count: length)
                if bytes.elementsEqual(".".utf8) || bytes.elementsEqual("..".utf8) { continue }
                let entry = DirectoryEntry(
                    name: CPath(bytes: bytes)!, kind: Self.kind(record.load(fromByteOffset: 18, as: UInt8.self)),
                    inode: record.loadUnaligned(as: UInt64.self))
                guard try body(entry) else { return }
            }
        }
    }

    /// A name with its status, as listings want it.
    package struct ListedEntry {
        package let name: UnsafeBufferPointer<UInt8>
        package let isDirectory: Bool
        package let size: Int64
        /// Seconds since the epoch.
        package let modified: Int64
        package let permissions: UInt32
    }

    /// Calls `body` for the next some hundred regular files and directories; false once there are no more. Fast: one
    /// getdents64(2) for all, one statx(2) for each if `withStatus`, no allocation a name. The name is valid during
    /// the call only.
    package func listNext(withStatus: Bool, _ body: (ListedEntry) -> Void) throws(SystemError) -> Bool {
        let size = 32_768
        let space = UnsafeMutableRawPointer.allocate(byteCount: 3 * size, alignment: 16)
        defer { space.deallocate() }
        let out = space + size
        let bytes = ffs_list(rawValue, space, size, out, withStatus ? 1 : 0)
        guard bytes >= 0 else { throw SystemError("getdents64", Errno(Int32(-bytes))) }
        var offset = 0
        let header = MemoryLayout<ffs_listed>.size
        while offset < bytes {
            let listed = out.load(fromByteOffset: offset, as: ffs_listed.self)
            let name = (out + offset + header).assumingMemoryBound(to: UInt8.self)
            let length = Int(listed.name_length)
            body(
                ListedEntry(
                    name: UnsafeBufferPointer(start: name, count: length),
                    isDirectory: listed.mode & UInt32(S_IFMT) == UInt32(S_IFDIR), size: listed.size,
                    modified: listed.modified, permissions: listed.mode & 0o7777))
            offset += header + (length + 7) / 8 * 8
        }
        return bytes > 0
    }

    /// All names, in byte order.
    package func entries() throws(SystemError) -> [DirectoryEntry] {
        var all: [DirectoryEntry] = []
        try forEachEntry { entry in
            all.append(entry)
            return true
        }
        return all.sorted { $0.name < $1.name }
    }

    /// d_type of getdents64(2).
    private static func kind(_ type: UInt8) -> FileStatus.Kind {
        switch type {
        case 1: .fifo
        case 2: .characterDevice
        case 4: .directory
        case 6: .blockDevice
        case 8: .file
        case 10: .symbolicLink
        case 12: .socket
        default: .unknown
        }
    }
}
