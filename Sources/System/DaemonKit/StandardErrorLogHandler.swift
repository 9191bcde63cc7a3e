package import ConfigurationSchema
package import FFSModel
package import Logging
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

    private func text(_ stamp: String, _ event: LogEvent, _ fields: [(String, String)], into line: inout [UInt8]) {
        line.append(contentsOf: "\(stamp) \(event.level) \(label): ".utf8)
        Self.appendEscaped("\(event.message)", quote: false, to: &line)
        for (key, value) in fields {
            line.append(contentsOf: " \(key)=".utf8)
            let plain = !value.isEmpty && value.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 && $0 != 0x5C && $0 != 0x7F }
            if plain { line.append(contentsOf: value.utf8) } else { Self.appendEscaped(value, quote: true, to: &line) }
        }
    }

    private func json(_ stamp: String, _ event: LogEvent, _ fields: [(String, String)], into line: inout [UInt8]) {
        line.append(
            contentsOf: "{\"time\":\"\(stamp)\",\"level\":\"\(event.level)\",\"daemon\":\"\(label)\",\"message\":".utf8)
        Self.appendEscaped("\(event.message)", quote: true, to: &line)
        for (key, value) in fields {
            line.append(UInt8(ascii: ","))
            Self.appendEscaped(key, quote: true, to: &line)
            line.append(UInt8(ascii: ":"))
            Self.appendEscaped(value, quote: true, to: &line)
        }
        line.append(UInt8(ascii: "}"))
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
