import ArgumentParser
import DaemonKit
import FFSModel
import SystemSupport

extension FFSCtl {
    /// Ends the program with what `error` means: a sentence, or with `--json` one object, on standard error and
    /// the exit status of sysexits(3). Help and completion scripts, which the parser throws too, go to
    /// standard output with status 0.
    static func present(_ error: any Error, json: Bool) -> Never {
        let failure = error as? Failure ?? (error as? ConfigurationLoader.Problems)?.failure
        if let failure {
            if json {
                var fields: [Value.Field] = [
                    .init("code", .text(failure.code.rawValue)), .init("text", .text(failure.description)),
                    .init("retry", .text(failure.code.retry.rawValue)),
                ]
                if let after = failure.retryAfter { fields.append(.init("after", .seconds(after))) }
                Terminal.write(Value.record([.init("error", .record(fields))]).json + "\n", to: .error)
            } else {
                for line in failure.description.split(separator: "\n") {
                    Terminal.write("ffsctl: \(printable(line.utf8))\n", to: .error)
                }
            }
            endProgram(failure.code.exitStatus)
        }
        let status = exitCode(for: error)
        guard json, status != .success else { exit(withError: error) }
        let code: FailureCode = status == .validationFailure ? .badRequest : .internal
        let isInterruption = error is ExitCode
        let fields: [Value.Field] = [
            .init("code", .text(isInterruption ? "interrupted" : code.rawValue)),
            .init("text", .text(isInterruption ? "stopped by a signal" : message(for: error))),
            .init("retry", .text((isInterruption ? FailureCode.RetryClass.later : code.retry).rawValue)),
        ]
        Terminal.write(Value.record([.init("error", .record(fields))]).json + "\n", to: .error)
        endProgram(status.rawValue)
    }
}

extension ConfigurationLoader.Problems {
    /// All of them in one text, a line each.
    fileprivate var failure: Failure { Failure(.configuration, description) }
}
