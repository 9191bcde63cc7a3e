import Glibc
import SystemSupport

/// Gives rights up as a worker of ffsftpd does, then tries one thing. The exit status is its errno, or 0 when it worked.
///
///     sandbox-probe calls execve|ptrace|unshare|local-socket|process|thread|tcp|sendfile|append|ftruncate|mmap|fallocate|fdatasync
///     sandbox-probe files DIRECTORY read|write|make PATH
@main enum SandboxProbe {
    static func main() {
        let words = CommandLine.arguments.dropFirst()
        do {
            switch (words.first, words.count) {
            case ("calls", 2): exitNow(try calls(words[2]))
            case ("files", 4): exitNow(try files(words[2], words[3], words[4]))
            default: exitNow(255)
            }
        } catch let error as SystemError { exitNow(error.errno.rawValue) } catch { exitNow(255) }
    }

    #if arch(x86_64)
        private static let numbers = ["execve": 59, "ptrace": 101, "unshare": 272, "local-socket": 41, "process": 56]
    #else
        private static let numbers = ["execve": 221, "ptrace": 117, "unshare": 97, "local-socket": 198, "process": 220]
    #endif

    /// syscall(2), which is variadic: Swift cannot call it by its name.
    private static func raw(_ verb: String, _ first: Int, _ second: Int = 0, _ third: Int = 0) -> Int32 {
        guard let number = numbers[verb], let address = dlsym(nil, "syscall") else { return 255 }
        let call = unsafeBitCast(address, to: (@convention(c) (Int, Int, Int, Int, Int, Int) -> Int).self)
        let result = call(number, first, second, third, 0, 0)
        // The child of a clone that should have been refused.
        if verb == "process", result == 0 { exitNow(0) }
        return result < 0 ? errno : 0
    }

    private static func calls(_ verb: String) throws -> Int32 {
        let pair = try Descriptor.socketPair()
        let file = try Descriptor.open("/proc/self/exe", .read)
        let path = "/tmp/ffs-probe-\(getpid())"
        let journal = try Descriptor.open(CPath(path), [.readWrite, .append, .create, .exclusive], permissions: 0o600)
        unlink(path)
        try Privileges.refuseNew()
        guard try Sandbox.restrictSystemCalls() == .enforced else { return 254 }
        switch verb {
        case "execve": return "/bin/true".withCString { raw(verb, Int(bitPattern: $0)) }
        case "ptrace": return raw(verb, 0)
        // CLONE_NEWUSER.
        case "unshare": return raw(verb, 0x1000_0000)
        case "local-socket": return raw(verb, Int(AF_UNIX), Int(SOCK_STREAM.rawValue))
        // SIGCHLD and no CLONE_THREAD.
        case "process": return raw(verb, 17)
        case "thread":
            let thread = try SystemThread(name: "probe") {}
            thread.join()
            return 0
        case "tcp":
            guard let address = TCPAddress(bytes: [127, 0, 0, 1], port: 0) else { return 255 }
            let listener = try Descriptor.listen(address, backlog: 1)
            _ = try Descriptor.connect(from: address, to: listener.localAddress())
            return 0
        case "sendfile":
            guard case .bytes(100) = pair.first.send(file: file, offset: 0, count: 100) else { return 255 }
            return 0
        // Whether a journal's descriptor can be made to write elsewhere than at the end.
        case "append":
            return fcntl(journal.rawValue, F_GETFL) & O_APPEND == 0 || setFlags(journal.rawValue) & O_APPEND == 0
                ? 255 : 0
        case "ftruncate": return ftruncate(journal.rawValue, 0) == 0 ? 0 : errno
        case "fallocate": return posix_fallocate(journal.rawValue, 0, 4_096)
        case "mmap":
            return mmap(nil, 4_096, PROT_READ, MAP_SHARED, journal.rawValue, 0) == MAP_FAILED ? errno : 0
        case "fdatasync":
            try journal.syncData()
            return 0
        default: return 255
        }
    }

    /// The flags after an attempt to clear them all.
    private static func setFlags(_ number: Int32) -> Int32 {
        _ = fcntl(number, F_SETFL, 0)
        return fcntl(number, F_GETFL)
    }

    private static func files(_ directory: String, _ verb: String, _ path: String) throws -> Int32 {
        let area = try Descriptor.open(CPath(directory), [.read, .directory])
        try Privileges.refuseNew()
        guard try Sandbox.restrictFiles(beneath: area) == .enforced else { return 254 }
        switch verb {
        case "read": _ = try Descriptor.open(CPath(path), .read)
        case "write": _ = try Descriptor.open(CPath(path), .write)
        case "make": try area.makeDirectory(CPath(path), permissions: 0o755)
        default: return 255
        }
        return 0
    }
}
