import FFSModel
import Glibc

/// The only system calls of this module that NIO does not make: reading secrets, and locking them in memory.
enum KeyFiles {
    /// The largest key bag: 65,535 entries.
    private static let sizeLimit = 8 << 20

    /// The bytes of `directory`/`name`, nil when there is no such file. Throws `configuration` when directory or file
    /// could be read or replaced by someone else than root, the daemon and the file's group.
    static func read(_ name: String, in directory: String) throws(Failure) -> [UInt8]? {
        let folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else {
            throw Failure(
                .configuration,
                "cannot open the key bag directory \(directory): \(errorText()); create it, or set commlink.keybag-directory"
            )
        }
        defer { close(folder) }
        try checkDirectory(folder, directory)

        let path = "\(directory)/\(name)"
        let file = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else {
            switch errno {
            case ENOENT: return nil
            case ELOOP: throw Failure(.configuration, "\(path) is a symbolic link; put the key file itself there")
            case EACCES:
                throw Failure(
                    .configuration,
                    "\(path) is not readable by uid \(geteuid()); its group must be one of the daemon's: "
                        + "chown root:ffs \(path); chmod 0640 \(path)")
            default: throw Failure(.configuration, "cannot open \(path): \(errorText())")
            }
        }
        defer { close(file) }
        return try contents(of: file, path)
    }

    private static func checkDirectory(_ folder: Int32, _ path: String) throws(Failure) {
        var status = stat()
        guard fstat(folder, &status) == 0 else { throw Failure(.configuration, "cannot stat \(path): \(errorText())") }
        guard status.st_uid == 0 || status.st_uid == geteuid() else {
            throw Failure(
                .configuration,
                "the key bag directory \(path) belongs to uid \(status.st_uid), who could replace the keys: chown root \(path)"
            )
        }
        guard status.st_mode & 0o022 == 0 else {
            throw Failure(
                .configuration,
                "the key bag directory \(path) has mode \(octal(status.st_mode)), so others could replace the keys: "
                    + "chmod 0750 \(path)")
        }
    }

    private static func contents(of file: Int32, _ path: String) throws(Failure) -> [UInt8] {
        var status = stat()
        guard fstat(file, &status) == 0 else { throw Failure(.configuration, "cannot stat \(path): \(errorText())") }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw Failure(.configuration, "\(path) is not a regular file; put a key file there")
        }
        guard status.st_uid == 0 || status.st_uid == geteuid() else {
            throw Failure(
                .configuration, "\(path) belongs to uid \(status.st_uid), who could change it: chown root:ffs \(path)")
        }
        guard status.st_mode & 0o7777 & ~0o640 == 0 else {
            throw Failure(
                .configuration,
                "\(path) has mode \(octal(status.st_mode)), so others could read or change it: chmod 0640 \(path) "
                    + "(and generate new keys if they may have)")
        }
        guard status.st_nlink == 1 else {
            throw Failure(
                .configuration,
                "\(path) has \(status.st_nlink) links, so another path leads to the keys: copy it to a new file")
        }
        guard status.st_size <= sizeLimit else { throw Failure(.configuration, "\(path) is too large for a key file") }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        var filled = 0
        while filled < bytes.count {
            let count = bytes.withUnsafeMutableBytes {
                pread(file, $0.baseAddress! + filled, $0.count - filled, filled)
            }
            guard count > 0 else {
                if count < 0, errno == EINTR { continue }
                throw Failure(.configuration, "cannot read \(path): \(count == 0 ? "it shrank" : errorText())")
            }
            filled += count
        }
        return bytes
    }

    /// Keeps the pages around `region` out of swap and core dumps. False when the kernel refuses (RLIMIT_MEMLOCK).
    static func protect(_ region: UnsafeRawBufferPointer) -> Bool {
        guard let base = region.baseAddress, region.count > 0 else { return true }
        let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
        let start = UInt(bitPattern: base) & ~(page - 1)
        let end = (UInt(bitPattern: base) + UInt(region.count) + page - 1) & ~(page - 1)
        guard let pages = UnsafeMutableRawPointer(bitPattern: start) else { return false }
        let dumped = madvise(pages, Int(end - start), MADV_DONTDUMP)
        return mlock(pages, Int(end - start)) == 0 && dumped == 0
    }

    /// Overwrites bytes that held keys; the compiler may not leave this store out.
    static func wipe(_ bytes: inout [UInt8]) {
        bytes.withUnsafeMutableBytes { if let base = $0.baseAddress { explicit_bzero(base, $0.count) } }
    }

    static func now() -> Timestamp { Timestamp(seconds: Int64(time(nil))) }

    private static func octal(_ mode: mode_t) -> String {
        "0" + String(mode & 0o7777, radix: 8)
    }
}

private func errorText() -> String { String(cString: strerror(errno)) }
