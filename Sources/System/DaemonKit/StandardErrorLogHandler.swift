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
        var line: [UInt8] = []
        line.reserveCapacity(256)
        var lines = LogLineFormat(label: label, format: format)
        lines.append(event.level, "\(event.message)", to: &line) { field in
            for (key, value) in all.sorted(by: { $0.key < $1.key }) { field(key, "\(value)") }
        }
        Terminal.writeAtOnce(line, to: .error)
    }
}

/// What a line of the log looks like. Keeps the second's text: for those who write many lines.
package struct LogLineFormat: Sendable {
    private let label: String
    private let format: Options.LogFormat
    /// `2026-11-21T08:00:00.` of the last line's second.
    private var second: (at: Timestamp?, text: [UInt8]) = (nil, [])

    package init(label: String, format: Options.LogFormat) {
        self.label = label
        self.format = format
    }

    /// Appends a line with its line feed. Escapes in both formats: no peer's bytes can forge a line or steer a terminal.
    ///
    /// - Parameter fields: gives names and values, in the order of the names, to what it is called with.
    package mutating func append(
        _ level: Logger.Level, _ message: String, to line: inout [UInt8],
        _ fields: ((_ name: String, _ value: String) -> Void) -> Void
    ) {
        switch format {
        case .text:
            stamp(&line)
            line.append(0x20)
            line += level.rawValue.utf8
            line.append(0x20)
            line += label.utf8
            line += ": ".utf8
            line += printable(message.utf8).utf8
            fields { key, value in
                line.append(0x20)
                line += key.utf8
                line.append(UInt8(ascii: "="))
                var value = value
                value.withUTF8 { value in
                    let isPlain = value.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x22 && $0 != 0x5C }
                    if isPlain, !value.isEmpty { line.append(contentsOf: value) } else { JSON.append(value, to: &line) }
                }
            }
        case .json:
            line += "{\"time\":\"".utf8
            stamp(&line)
            line += "\",\"level\":\"\(level)\",\"daemon\":\"\(label)\",\"message\":".utf8
            JSON.append(message.utf8, to: &line)
            fields { key, value in
                line.append(UInt8(ascii: ","))
                JSON.append(key.utf8, to: &line)
                line.append(UInt8(ascii: ":"))
                JSON.append(value.utf8, to: &line)
            }
            line.append(UInt8(ascii: "}"))
        }
        line.append(0x0A)
    }

    /// `2026-11-21T08:00:00.123Z`
    private mutating func stamp(_ line: inout [UInt8]) {
        let now = SystemClock.nowWithMilliseconds()
        if second.at != now.time { second = (now.time, Array(now.time.description.utf8.dropLast() + ".".utf8)) }
        line += second.text
        for place in [100, 10, 1] { line.append(0x30 + UInt8(now.milliseconds / place % 10)) }
        line.append(UInt8(ascii: "Z"))
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
