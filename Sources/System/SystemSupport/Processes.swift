import CLinux
import Glibc

/// Another process, started by this one.
package struct ChildProcess: Sendable, Hashable {
    package let number: Int32

    /// What became of it.
    package enum End: Sendable, Hashable, CustomStringConvertible {
        case exited(Int32)
        case signaled(Int32)

        package var description: String {
            switch self {
            case .exited(let status): "exit status \(status)"
            case .signaled(let signal): "signal \(signal)"
            }
        }
    }

    /// posix_spawn(3) of `program`, by default this program's own binary. `descriptors[i]` becomes descriptor 3 + i of the
    /// child, which inherits standard error and nothing else; its signals are as after boot.
    package static func spawn(
        _ program: String = "/proc/self/exe", arguments: [String], environment: [String], descriptors: [Int32]
    ) throws(SystemError) -> ChildProcess {
        var pid: Int32 = 0
        let result = withCStrings(arguments) { argv in
            withCStrings(environment) { envp in
                ffs_spawn(program, argv, envp, descriptors, Int32(descriptors.count), &pid)
            }
        }
        try check(result, "posix_spawn", program)
        return ChildProcess(number: pid)
    }

    private static func withCStrings<Result>(
        _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        var pointers = strings.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        return pointers.withUnsafeMutableBufferPointer { body(UnsafePointer($0.baseAddress!)) }
    }

    /// nil while it runs.
    package func end() -> End? {
        var status: Int32 = 0
        guard waitpid(number, &status, WNOHANG) == number else { return nil }
        return Self.end(status)
    }

    /// Waits for it.
    package func waitForEnd() -> End {
        var status: Int32 = 0
        while waitpid(number, &status, 0) < 0, Glibc.errno == EINTR {}
        return Self.end(status)
    }

    private static func end(_ status: Int32) -> End {
        status & 0x7F == 0 ? .exited(status >> 8 & 0xFF) : .signaled(status & 0x7F)
    }

    /// kill(2).
    package func send(signal: Int32) { kill(number, signal) }
}

/// Threads of this process; Landlock confines only the calling one and those it starts.
package func threadCount() throws(SystemError) -> Int {
    var count = 0
    try Descriptor.open("/proc/self/task", [.read, .directory]).forEachEntry { _ in
        count += 1
        return true
    }
    return count
}

/// Numbers of the signals that FFS sends.
package enum Signals {
    package static var terminate: Int32 { SIGTERM }
    package static var kill: Int32 { SIGKILL }

    /// A peer that went away is an error of its descriptor, never the end of the process.
    package static func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }

    /// Dying peers are errors of their descriptors, never signals; and a worker ends when its channel says so.
    package static func ignoreForWorker() {
        signal(SIGPIPE, SIG_IGN)
        signal(SIGHUP, SIG_IGN)
        signal(SIGINT, SIG_IGN)
    }
}

/// The soft limit of open descriptors, raised to the hard one; returns it.
package func raiseDescriptorLimit() -> Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1_024 }
    limit.rlim_cur = limit.rlim_max
    _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    return Int(clamping: limit.rlim_cur)
}

/// A variable of this process's environment.
package func environmentVariable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

/// Processors this process may run on.
package func processorCount() -> Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }

/// The number of this process.
package func processNumber() -> Int32 { getpid() }

/// Ends the program, exit(3).
package func endProgram(_ status: Int32) -> Never { exit(status) }

/// Ends the process without unwinding; for workers, whose files are all read-only.
package func exitNow(_ status: Int32) -> Never { _exit(status) }

extension Descriptor {
    /// For the few words a process says before it has a log.
    package static func writeToStandardError(_ text: String) throws(SystemError) {
        let standardError = Descriptor(owning: STDERR_FILENO)
        do throws(SystemError) { try standardError.write(Array(text.utf8)) } catch {
            _ = standardError.release()
            throw error
        }
        _ = standardError.release()
    }
}
