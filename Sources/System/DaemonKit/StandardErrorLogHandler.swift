package import ConfigurationSchema
package import FFSModel
package import Logging
import Synchronization
import SystemSupport

/// Writes one line a record to standard error, where journald or the start script's file picks it up.
/// A single write(2) per line, so lines of several processes never mix.
package struct StandardErrorLogHandler: LogHandler {
    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?
    private let label: String
    private let format: Options.LogFormat

    package init(label: String, level: Logger.Level, format: Options.LogFormat) {
        self.label = label
        self.format = format
        logLevel = level
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
        if let given = event.metadata { all.merge(given) { $1 } }
        let now = SystemClock.monotonic()
        let (isAdmitted, leftOut) = Self.limiter.withLock { limiter in
            (event.level < .notice || limiter.admits("\(event.message)", all, now: now), limiter.due(now: now))
        }
        for summary in leftOut {
            write(
                LogEvent(
                    level: .notice, message: "lines like this were left out", metadata: nil, source: event.source,
                    file: event.file, function: event.function, line: event.line),
                ["like": "\(summary.kind)", "from": "\(summary.source)", "left-out": "\(summary.count)"])
        }
        if isAdmitted { write(event, all) }
    }

    /// Of this process: a stranger who makes one line a byte must not fill the disk.
    private static let limiter = Mutex(LogLimiter())

    private func write(_ event: LogEvent, _ all: Logger.Metadata) {
        let fields = all.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
        let now = SystemClock.nowWithMilliseconds()
        let stamp = "\(now.time.description.dropLast()).\(String(1_000 + now.milliseconds).dropFirst())Z"
        var line: [UInt8] = []
        line.reserveCapacity(256)
        switch format {
        case .text: text(stamp, event, fields, into: &line)
        case .json: json(stamp, event, fields, into: &line)
        }
        line.append(0x0A)
        Terminal.writeAtOnce(line, to: .error)
    }

    // Escapes in both formats: no peer's bytes can forge a line or steer a terminal.

    private func text(_ stamp: String, _ event: LogEvent, _ fields: [(String, String)], into line: inout [UInt8]) {
        line.append(contentsOf: "\(stamp) \(event.level) \(label): ".utf8)
        line.append(contentsOf: printable("\(event.message)".utf8).utf8)
        for (key, value) in fields {
            line.append(contentsOf: " \(key)=".utf8)
            let plain =
                !value.isEmpty && value.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x22 && $0 != 0x5C }
            if plain { line.append(contentsOf: value.utf8) } else { JSON.append(value.utf8, to: &line) }
        }
    }

    private func json(_ stamp: String, _ event: LogEvent, _ fields: [(String, String)], into line: inout [UInt8]) {
        line.append(
            contentsOf: "{\"time\":\"\(stamp)\",\"level\":\"\(event.level)\",\"daemon\":\"\(label)\",\"message\":".utf8)
        JSON.append("\(event.message)".utf8, to: &line)
        for (key, value) in fields {
            line.append(UInt8(ascii: ","))
            JSON.append(key.utf8, to: &line)
            line.append(UInt8(ascii: ":"))
            JSON.append(value.utf8, to: &line)
        }
        line.append(UInt8(ascii: "}"))
    }
}

extension Logger.Level {
    package init(_ level: Options.LogLevel) {
        switch level {
        case .trace: self = .trace
        case .debug: self = .debug
        case .info: self = .info
        case .notice: self = .notice
        case .warning: self = .warning
        case .error: self = .error
        }
    }

    package init(_ level: FailureCode.LogLevel) {
        switch level {
        case .info: self = .info
        case .notice: self = .notice
        case .warning: self = .warning
        case .error: self = .error
        }
    }
}
