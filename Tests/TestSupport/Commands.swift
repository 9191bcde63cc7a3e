import Subprocess

/// What a finished command left behind.
package struct CommandResult: Sendable, CustomStringConvertible {
    package let command: String
    /// The exit status; 128 + N when signal N ended it, as shells count.
    package let status: Int32
    package let outputBytes: [UInt8]
    package let errorOutput: String
    package let elapsed: Duration

    package var output: String { String(decoding: outputBytes, as: UTF8.self) }
    /// Standard output without the white space around it.
    package var trimmed: String { output.trimmed }

    /// For the report of a failed expectation: all of it.
    package var description: String {
        "\(command)\nstatus \(status)\n--- output\n\(output.prefix(4_000))\n--- error output\n\(errorOutput.prefix(4_000))"
    }

    /// Itself when the status is 0; throws the whole report otherwise.
    @discardableResult
    package func succeeded() throws -> CommandResult {
        guard status == 0 else { throw TestFailure("command failed: \(self)") }
        return self
    }
}

extension String {
    package var trimmed: String {
        let bytes = Array(utf8)
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0D).contains($0) }
        guard let first = bytes.firstIndex(where: { !isSpace($0) }), let last = bytes.lastIndex(where: { !isSpace($0) })
        else { return "" }
        return String(decoding: bytes[first...last], as: UTF8.self)
    }

    package var lines: [String] { split(separator: "\n", omittingEmptySubsequences: true).map(String.init) }
}

/// Runs a command to its end and collects what it prints (64 MiB at most).
///
/// - Parameters:
///   - words: program, by name or path, and arguments.
///   - input: what it reads.
///   - environment: variables set on top of the tests' own.
///   - directory: where it runs.
///   - timeout: after this it is killed and the call throws.
package func command(
    _ words: [String], input: String = "", environment: [String: String] = [:], directory: String? = nil,
    timeout: Duration = .seconds(60)
) async throws -> CommandResult {
    var arguments: [String] = directory.map { ["-C", $0] } ?? []
    arguments += environment.map { "\($0)=\($1)" } + words
    let shown = words.joined(separator: " ")
    let start = ContinuousClock.now
    return try await withThrowingTaskGroup(of: CommandResult.self) { group in
        group.addTask { [arguments] in
            let result = try await run(
                .name("env"), arguments: Arguments(arguments), input: .string(input), output: .bytes(limit: 64 << 20),
                error: .string(limit: 4 << 20))
            let status: Int32
            switch result.terminationStatus {
            case .exited(let code): status = code
            case .signaled(let signal): status = 128 + signal
            }
            return CommandResult(
                command: shown, status: status, outputBytes: result.standardOutput,
                errorOutput: result.standardError, elapsed: .now - start)
        }
        group.addTask {
            try await Task.sleep(for: timeout)
            throw TestFailure("\(shown): still running after \(timeout)")
        }
        guard let first = try await group.next() else { throw TestFailure("\(shown): no result") }
        group.cancelAll()
        return first
    }
}

/// `command(["curl", …])` with the words written out.
package func command(
    _ words: String..., input: String = "", environment: [String: String] = [:], directory: String? = nil,
    timeout: Duration = .seconds(60)
) async throws -> CommandResult {
    try await command(words, input: input, environment: environment, directory: directory, timeout: timeout)
}
