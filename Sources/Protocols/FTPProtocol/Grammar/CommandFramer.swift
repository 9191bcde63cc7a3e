/// Cuts the control connection's bytes into command lines (RFC 959 §5.3: Telnet strings ended by CRLF).
///
/// Strict, because what two parties cut differently can hide one command in another: only CRLF ends a line, and
/// a bare CR, a bare LF, NUL, an over-long line or a flood of Telnet commands is a fault after which the
/// connection must be closed. Telnet's IP, DM and other single commands (RFC 854) may come before ABOR and are
/// dropped; option negotiations are dropped with their option; IAC IAC is the byte 0xFF. In an argument a single 0xFF is
/// that byte too: no Telnet command comes there, but names in Windows-1251 do, whose clients do not double it.
package struct CommandFramer: Sendable {
    /// Why the session ends.
    package enum Fault: Error, Sendable, Hashable {
        case tooLong, bareCarriageReturn, bareLineFeed, nul, telnet

        /// What the client is told before the connection is closed.
        package var reply: Reply {
            switch self {
            case .tooLong: Reply(500, "The line is too long.")
            case .bareCarriageReturn, .bareLineFeed: Reply(500, "Lines end with CR LF, and neither stands alone.")
            case .nul: Reply(500, "A line holds no NUL.")
            case .telnet: Reply(500, "Unexpected Telnet command.")
            }
        }
    }

    /// A command line without CRLF and prefix may have this many bytes: a 4,095-byte path and its verb.
    package static let longestLine = 4_200
    /// Telnet commands accepted in one line.
    private static let mostTelnetCommands = 16

    /// `doubled`: behind a 0xFF in an argument, which another one only repeats.
    private enum Telnet { case text, command, option, doubled }

    private var buffer: [UInt8] = []
    /// Bytes before this index belong to lines already taken.
    private var taken = 0
    private var line: [UInt8] = []
    private var sawCarriageReturn = false
    private var telnet = Telnet.text
    private var telnetCommands = 0
    private var fault: Fault?

    package init() {}

    /// Adds what was received. Bounded by the reader: it takes all lines before it reads again.
    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if taken == buffer.count {
            buffer.removeAll(keepingCapacity: buffer.capacity <= 1_024)
            taken = 0
        }
        buffer.append(contentsOf: bytes)
    }

    package mutating func append(_ bytes: [UInt8]) { bytes.withUnsafeBytes { append($0) } }

    /// Whether bytes wait behind the last line taken: at `AUTH TLS` there must be none.
    package var hasBufferedBytes: Bool { taken < buffer.count || !line.isEmpty || sawCarriageReturn }

    /// Forgets everything received and not yet taken.
    package mutating func reset() { self = CommandFramer() }

    /// The next whole line, nil when more bytes are needed. After a fault every call throws it again.
    package mutating func next() throws(Fault) -> [UInt8]? {
        if let fault { throw fault }
        do { return try scan() } catch {
            fault = error
            buffer = []
            line = []
            taken = 0
            throw error
        }
    }

    private mutating func scan() throws(Fault) -> [UInt8]? {
        while taken < buffer.count {
            let byte = buffer[taken]
            taken += 1
            switch telnet {
            case .command:
                try telnetCommand(byte)
                continue
            case .option:
                telnet = .text
                continue
            case .doubled:
                telnet = .text
                try add(0xFF)
                if byte == 0xFF { continue }
            case .text: break
            }
            if sawCarriageReturn {
                guard byte == UInt8(ascii: "\n") else { throw .bareCarriageReturn }
                return take()
            }
            switch byte {
            case UInt8(ascii: "\r"): sawCarriageReturn = true
            case UInt8(ascii: "\n"): throw .bareLineFeed
            case 0: throw .nul
            case 0xFF: telnet = line.contains(UInt8(ascii: " ")) ? .doubled : .command
            default: try add(byte)
            }
        }
        return nil
    }

    private mutating func add(_ byte: UInt8) throws(Fault) {
        guard line.count < Self.longestLine else { throw .tooLong }
        line.append(byte)
    }

    private mutating func telnetCommand(_ byte: UInt8) throws(Fault) {
        switch byte {
        case 0xFF:
            telnet = .text
            return try add(0xFF)
        case 0xFB...0xFE: telnet = .option  // WILL, WONT, DO, DONT
        case 0xF1...0xF9: telnet = .text  // NOP, DM, BRK, IP, AO, AYT, EC, EL, GA
        default: throw .telnet
        }
        telnetCommands += 1
        if telnetCommands > Self.mostTelnetCommands { throw .telnet }
    }

    private mutating func take() -> [UInt8] {
        defer {
            line = []
            sawCarriageReturn = false
            telnetCommands = 0
            if taken == buffer.count {
                // An idle session keeps no buffer.
                buffer = []
                taken = 0
            }
        }
        return line
    }
}
