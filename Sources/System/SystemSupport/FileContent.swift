import CLinux
import Glibc

/// Reading, writing, syncing, and what belongs to the file itself.
extension Descriptor {
    /// read(2) into `buffer`; 0 at the end.
    package func read(into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int {
        while true {
            let count = Glibc.read(rawValue, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            guard Glibc.errno == EINTR else { throw SystemError("read", Errno(Glibc.errno)) }
        }
    }

    /// pread(2) into `buffer`; 0 at the end.
    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(SystemError) -> Int {
        while true {
            let count = Glibc.pread(rawValue, buffer.baseAddress, buffer.count, off_t(offset))
            if count >= 0 { return count }
            guard Glibc.errno == EINTR else { throw SystemError("pread", Errno(Glibc.errno)) }
        }
    }

    /// Whether the byte at `offset` is in the page cache; false where the file system cannot tell.
    package func isCached(at offset: UInt64) -> Bool { ffs_is_cached(rawValue, Int64(clamping: offset)) == 1 }

    /// What of `buffer` the page cache can fill at once, in bytes; 0 when nothing, or where the file system cannot tell.
    package func readCached(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
        max(0, ffs_read_cached(rawValue, buffer.baseAddress, buffer.count, Int64(offset)))
    }

    /// The file's first bytes, at most `count`.
    package func readStart(_ count: Int) throws(SystemError) -> [UInt8] {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
        defer { buffer.deallocate() }
        let filled = try read(into: buffer, at: 0)
        return Array(buffer[..<filled])
    }

    /// The next bytes, at most `count`; none at the end. For what may be a pipe.
    package func readNext(_ count: Int) throws(SystemError) -> [UInt8] {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
        defer { buffer.deallocate() }
        let filled = try read(into: buffer)
        return Array(buffer[..<filled])
    }

    /// The whole file from its start; nil when it holds more than `limit` bytes.
    package func readAll(limit: Int) throws(SystemError) -> [UInt8]? {
        let expected = try status().size
        guard expected <= limit else { return nil }
        var bytes = [UInt8](repeating: 0, count: expected + 1)
        var filled = 0
        while true {
            if filled == bytes.count {
                guard filled <= limit else { return nil }
                bytes.append(contentsOf: repeatElement(0, count: 65_536))
            }
            var failure: SystemError?
            let count = bytes.withUnsafeMutableBytes { buffer in
                do throws(SystemError) {
                    return try read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]), at: filled)
                } catch {
                    failure = error
                    return 0
                }
            }
            if let failure { throw failure }
            if count == 0 { break }
            filled += count
        }
        guard filled <= limit else { return nil }
        bytes.removeLast(bytes.count - filled)
        return bytes
    }

    /// Writes all of `bytes` at the current position.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(SystemError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(rawValue, rest.baseAddress, rest.count)
            if count < 0 {
                guard Glibc.errno == EINTR else { throw SystemError("write", Errno(Glibc.errno)) }
                continue
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    /// All of it, however often write(2) must be called.
    package func write(_ bytes: [UInt8]) throws(SystemError) {
        try bytes.withUnsafeBufferPointer { buffer throws(SystemError) in try write(UnsafeRawBufferPointer(buffer)) }
    }

    /// pwrite(2) of all of `bytes`.
    package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SystemError) {
        var rest = bytes
        var offset = offset
        while !rest.isEmpty {
            let count = Glibc.pwrite(rawValue, rest.baseAddress, rest.count, off_t(offset))
            if count < 0 {
                guard Glibc.errno == EINTR else { throw SystemError("pwrite", Errno(Glibc.errno)) }
                continue
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            offset += count
        }
    }

    /// One write(2), at the end of a file that was opened for appending: how many of `bytes` it took.
    package func writeOnce(_ bytes: UnsafeRawBufferPointer) throws(SystemError) -> Int {
        while true {
            let count = Glibc.write(rawValue, bytes.baseAddress, bytes.count)
            if count >= 0 { return count }
            guard Glibc.errno == EINTR else { throw SystemError("write", Errno(Glibc.errno)) }
        }
    }

    /// Has the file system keep `size` bytes for the file, whose size stays; fallocate(2). False where it cannot.
    package func preallocate(_ size: Int) throws(SystemError) -> Bool {
        do { try check(ffs_preallocate(rawValue, Int64(size)), "fallocate", nil) } catch {
            if error.errno == .notSupported { return false }
            throw error
        }
        return true
    }

    /// ftruncate(2), bytes.
    package func truncate(to size: Int) throws(SystemError) {
        guard ftruncate(rawValue, off_t(size)) == 0 else { throw SystemError("ftruncate", Errno(Glibc.errno)) }
    }

    /// The next stretch of data at or after `offset`, nil when only a hole follows; SEEK_DATA and SEEK_HOLE.
    package func dataRange(from offset: Int) throws(SystemError) -> Range<Int>? {
        let start = lseek(rawValue, off_t(offset), 3)  // SEEK_DATA
        if start < 0 {
            if Glibc.errno == ENXIO { return nil }
            throw SystemError("lseek", Errno(Glibc.errno))
        }
        let end = lseek(rawValue, start, 4)  // SEEK_HOLE
        guard end >= 0 else { throw SystemError("lseek", Errno(Glibc.errno)) }
        return Int(start)..<Int(end)
    }

    /// Shares all of `source`'s data with this empty file; FICLONE of ioctl_ficlone(2).
    package func clone(from source: borrowing Descriptor) throws(SystemError) {
        try check(ffs_clone(rawValue, source.rawValue), "ioctl FICLONE", nil)
    }

    /// fsync(2): data and metadata on disk. On a directory: its names.
    package func sync() throws(SystemError) {
        guard fsync(rawValue) == 0 else { throw SystemError("fsync", Errno(Glibc.errno)) }
    }

    /// fdatasync(2): data, and what is needed to find them.
    package func syncData() throws(SystemError) {
        guard fdatasync(rawValue) == 0 else { throw SystemError("fdatasync", Errno(Glibc.errno)) }
    }

    /// syncfs(2): everything on this file system.
    package func syncFileSystem() throws(SystemError) { try check(ffs_syncfs(rawValue), "syncfs", nil) }

    /// Starts writing dirty pages out without waiting, so that a later sync finds little to do.
    package func startWriteback(_ range: Range<Int>) {
        _ = ffs_writeback(rawValue, Int64(range.lowerBound), Int64(range.count))
    }

    /// Writes all dirty pages out and waits for them. Not durable by itself: the blocks are on the device (or in its
    /// cache), what says that they are the file's may only be in the journal's memory.
    package func writeOut() throws(SystemError) { try check(ffs_write_out(rawValue), "sync_file_range", nil) }

    /// fchmod(2).
    package func setPermissions(_ permissions: UInt32) throws(SystemError) {
        guard fchmod(rawValue, permissions) == 0 else { throw SystemError("fchmod", Errno(Glibc.errno)) }
    }

    /// fchown(2).
    package func setOwner(user: UInt32, group: UInt32) throws(SystemError) {
        guard fchown(rawValue, user, group) == 0 else { throw SystemError("fchown", Errno(Glibc.errno)) }
    }

    /// Sets access and modification time, seconds since the epoch.
    package func setModified(_ seconds: Int64) throws(SystemError) {
        try check(ffs_touch(rawValue, seconds), "futimens", nil)
    }

    /// An exclusive flock(2), released on close or death; false when another process holds it.
    package func tryLock() throws(SystemError) -> Bool {
        do { try check(ffs_lock(rawValue), "flock", nil) } catch {
            if error.errno == .wouldBlock { return false }
            throw error
        }
        return true
    }

    /// Whether any process has the file open for writing. The descriptor must be open for reading only.
    /// Needs the file's owner or root; false where the file system has no leases (fcntl(2)).
    package func hasWriter() throws(SystemError) -> Bool {
        do { return try check(ffs_has_writer(rawValue), "fcntl F_SETLEASE", nil) == 1 } catch {
            if error.errno == .invalid || error.errno == .notSupported { return false }
            throw error
        }
    }

    /// Whether this process may read `path` below this directory; faccessat(2).
    package func canRead(_ path: CPath) -> Bool {
        path.withCString { name in ffs_can_read(rawValue, name) == 0 }
    }

    /// Tells the kernel that the file will be read once, front to back.
    package func adviseSequential() { _ = posix_fadvise(rawValue, 0, 0, POSIX_FADV_SEQUENTIAL) }

    /// isatty(3).
    package var isTerminal: Bool { isatty(rawValue) == 1 }
}

extension Descriptor {
    /// Writes `bytes` to a new file `name` below this directory and, if `durable`, to disk.
    package func writeFile(
        _ name: CPath, _ bytes: [UInt8], permissions: UInt32, durable: Bool
    ) throws(SystemError) {
        let file = try open(name, [.write, .create, .exclusive], permissions: permissions)
        try file.write(bytes)
        if durable { try file.sync() }
        try file.close()
    }

    /// The bytes of `name` below this directory; nil when there is none. Throws EFBIG beyond `limit` bytes.
    package func readFile(_ name: CPath, limit: Int) throws(SystemError) -> [UInt8]? {
        let file: Descriptor
        do throws(SystemError) { file = try open(name, [.read, .nonBlocking]) } catch {
            if error.errno == .noEntry { return nil }
            throw error
        }
        guard let bytes = try file.readAll(limit: limit) else {
            throw SystemError("read", Errno(EFBIG), path: name.description)
        }
        return bytes
    }
}
