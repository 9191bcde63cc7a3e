package import ConfigurationSchema
package import FFSModel
import Glibc
package import Logging

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
        var line: [UInt8] = []
        line.reserveCapacity(256)
        var lines = LogLineFormat(label: label, format: format)
        lines.append(event.level, "\(event.message)", to: &line) { field in
            for (key, value) in all.sorted(by: { $0.key < $1.key }) { field(key, "\(value)") }
        }
        line.withUnsafeBytes { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

/// What a line of the log looks like. Keeps the second's text: for those who write many lines.
package struct LogLineFormat: Sendable {
    private let label: String
    private let format: Options.LogFormat
    private var second: (at: Int, text: String) = (.min, "")

    package init(label: String, format: Options.LogFormat) {
        self.label = label
        self.format = format
    }

    /// Appends a line with its line feed.
    ///
    /// - Parameter fields: gives names and values, in the order of the names, to what it is called with.
    package mutating func append(
        _ level: Logger.Level, _ message: String, to line: inout [UInt8],
        _ fields: ((_ name: String, _ value: String) -> Void) -> Void
    ) {
        let stamp = stamp()
        switch format {
        case .text:
            line += "\(stamp) \(level) \(label): ".utf8
            Self.appendEscaped(message, quote: false, to: &line)
            fields { key, value in
                line.append(0x20)
                line += key.utf8
                line.append(UInt8(ascii: "="))
                let plain =
                    !value.isEmpty && value.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 && $0 != 0x5C && $0 != 0x7F }
                if plain { line += value.utf8 } else { Self.appendEscaped(value, quote: true, to: &line) }
            }
        case .json:
            line +=
                "{\"time\":\"\(stamp)\",\"level\":\"\(level)\",\"daemon\":\"\(label)\",\"message\":".utf8
            Self.appendEscaped(message, quote: true, to: &line)
            fields { key, value in
                line.append(UInt8(ascii: ","))
                Self.appendEscaped(key, quote: true, to: &line)
                line.append(UInt8(ascii: ":"))
                Self.appendEscaped(value, quote: true, to: &line)
            }
            line.append(UInt8(ascii: "}"))
        }
        line.append(0x0A)
    }

    /// `2026-11-21T08:00:00.123Z`
    private mutating func stamp() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        if second.at != now.tv_sec {
            second = (now.tv_sec, String(Timestamp(seconds: Int64(now.tv_sec)).description.dropLast()))
        }
        return "\(second.text).\(String(1_000 + now.tv_nsec / 1_000_000).dropFirst())Z"
    }

    /// JSON string escapes in both formats: no peer's bytes can forge a line or steer a terminal.
    private static func appendEscaped(_ text: String, quote: Bool, to line: inout [UInt8]) {
        if quote { line.append(0x22) }
        for byte in text.utf8 {
            switch byte {
            case 0x22 where quote, 0x5C where quote: line += [0x5C, byte]
            case 0x0A: line += [0x5C, UInt8(ascii: "n")]
            case 0x0D: line += [0x5C, UInt8(ascii: "r")]
            case 0x00..<0x20, 0x7F: line += Array("\\u00".utf8) + Hex.encode([byte])
            default: line.append(byte)
            }
        }
        if quote { line.append(0x22) }
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
