import Glibc
import Subprocess
import Synchronization

/// A daemon that a test started: its process id, its log, its end.
package final class DaemonProcess: Sendable {
    package let name: String
    package let processIdentifier: Int32
    package let logPath: String
    /// Bytes that were in the log before.
    private let logStart: Int
    private let exit: Task<Int32, any Error>
    /// Set once the process was waited for and its id may be another's.
    private let gone: Flag

    private final class Flag: Sendable { let value = Atomic(false) }

    /// Starts a program whose standard error is appended to `logPath`; returns as soon as it runs.
    package static func start(
        _ words: [String], name: String, logPath: String, environment: [String: String] = [:]
    ) async throws -> DaemonProcess {
        let logStart = Files.exists(logPath) ? try Files.size(logPath) : 0
        let variables = environment.map { "\($0)=\($1)" }
        // The shell opens the log and becomes the program, so the process id is the program's.
        let arguments = variables + ["sh", "-c", #"exec 2>>"$0" >&2; exec "$@""#, logPath] + words
        let (started, begin) = AsyncStream<Int32>.makeStream()
        let gone = Flag()
        let exit = Task {
            defer {
                gone.value.store(true, ordering: .releasing)
                begin.finish()
            }
            let result = try await run(
                .name("env"), arguments: Arguments(arguments), input: .none, output: .discarded, error: .discarded
            ) { execution in
                begin.yield(execution.processIdentifier.value)
            }
            switch result.terminationStatus {
            case .exited(let code): return code
            case .signaled(let signal): return 128 + signal
            }
        }
        for await processIdentifier in started {
            return DaemonProcess(
                name: name, processIdentifier: processIdentifier, logPath: logPath, logStart: logStart, exit: exit,
                gone: gone)
        }
        throw TestFailure("\(name) did not start: \(await exit.result)")
    }

    private init(
        name: String, processIdentifier: Int32, logPath: String, logStart: Int, exit: Task<Int32, any Error>, gone: Flag
    ) {
        self.name = name
        self.processIdentifier = processIdentifier
        self.logPath = logPath
        self.logStart = logStart
        self.exit = exit
        self.gone = gone
    }

    deinit { signal(SIGKILL) }

    /// What it has logged since it was started; an earlier process's lines in the same file are left out.
    package var log: String {
        guard let all = try? Files.read(logPath) else { return "" }
        return String(decoding: all.utf8.dropFirst(logStart), as: UTF8.self)
    }

    package var isRunning: Bool { !gone.value.load(ordering: .acquiring) }

    package func signal(_ number: Int32) {
        if isRunning { kill(processIdentifier, number) }
    }

    /// Its exit status (128 + signal), once it has ended by itself.
    package func ended(within timeout: Duration = .seconds(30)) async throws -> Int32 {
        try await withThrowingTaskGroup(of: Int32.self) { group in
            group.addTask { [exit] in try await exit.value }
            group.addTask { [self] in
                try await Task.sleep(for: timeout)
                signal(SIGKILL)
                throw TestFailure("\(name) still runs after \(timeout); its log:\n\(log.suffix(4_000))")
            }
            guard let status = try await group.next() else { throw TestFailure("\(name): no exit status") }
            group.cancelAll()
            return status
        }
    }

    /// SIGTERM, and its exit status.
    @discardableResult
    package func stop(within timeout: Duration = .seconds(30)) async throws -> Int32 {
        signal(SIGTERM)
        return try await ended(within: timeout)
    }

    /// SIGKILL, and waits until it is gone.
    package func kill9() async throws {
        signal(SIGKILL)
        _ = try await ended()
    }

    /// Waits until `text` is in the log; throws, with the log, when the daemon ends first or time is up.
    package func logged(_ text: String, within timeout: Duration = .seconds(20)) async throws {
        try await eventually(within: timeout, "\(name) logs \"\(text)\"; its log:\n\(log.suffix(4_000))") {
            if log.contains(text) { return true }
            guard isRunning else { throw TestFailure("\(name) ended; its log:\n\(log.suffix(4_000))") }
            return false
        }
    }
}

/// Asks every 20 ms until `condition` holds; throws that it never did.
package func eventually(
    within timeout: Duration = .seconds(10), _ what: @autoclosure () -> String, _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + timeout
    while true {
        if try await condition() { return }
        guard ContinuousClock.now < deadline else { throw TestFailure("not within \(timeout): \(what())") }
        try await Task.sleep(for: .milliseconds(20))
    }
}
