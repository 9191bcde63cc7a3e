import Glibc

/// Standard input, output and error as a person's terminal.
package enum Terminal {
    package enum Stream: Int32, Sendable {
        case input = 0
        case output = 1
        case error = 2
    }

    /// Whether `stream` is a terminal; isatty(3).
    package static func isTerminal(_ stream: Stream) -> Bool { isatty(stream.rawValue) == 1 }

    /// Columns of the terminal behind `stream`; nil when it is none or does not say. ioctl_tty(2).
    package static func width(of stream: Stream) -> Int? {
        var size = winsize()
        guard ioctl(stream.rawValue, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }

    /// Writes all of `text`, unbuffered. False when the reader has gone (a closed pipe) or the disk is full.
    @discardableResult
    package static func write(_ text: String, to stream: Stream) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                let count = Glibc.write(stream.rawValue, rest.baseAddress, rest.count)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return false }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
            return true
        }
    }

    /// One write(2) of all of `bytes`, so that lines of several processes never mix; what is not taken is lost.
    package static func writeAtOnce(_ bytes: [UInt8], to stream: Stream) {
        bytes.withUnsafeBytes { _ = Glibc.write(stream.rawValue, $0.baseAddress, $0.count) }
    }

    /// One line of standard input without its line feed; nil at the end of input. At most `limit` bytes are kept.
    /// On a terminal `prompt` is shown on standard error and, with `echo` false, what is typed is not; termios(3).
    package static func readLine(prompt: String, echo: Bool, limit: Int = 4_096) -> [UInt8]? {
        guard isTerminal(.input) else { return readBytes(limit: limit) }
        write(prompt, to: .error)
        guard !echo else { return readBytes(limit: limit) }
        var saved = termios()
        guard tcgetattr(0, &saved) == 0 else { return readBytes(limit: limit) }
        var silent = saved
        // The interrupt key ends the line instead of the process, which would leave the terminal without echo.
        let interrupt = withUnsafeBytes(of: saved.c_cc) { $0[Int(VINTR)] }  // 0: there is none
        silent.c_lflag &= ~tcflag_t(ECHO | ISIG)
        withUnsafeMutableBytes(of: &silent.c_cc) { $0[Int(VEOL)] = interrupt }
        tcsetattr(0, TCSAFLUSH, &silent)
        var interrupted = false
        let line = readBytes(limit: limit) { byte in
            interrupted = byte == interrupt && interrupt != 0
            return interrupted
        }
        tcsetattr(0, TCSAFLUSH, &saved)
        write("\n", to: .error)
        if interrupted {
            // To the process: this thread may have the signal blocked. It ends us, unless the program handles it.
            kill(getpid(), SIGINT)
            SystemClock.sleep(nanoseconds: 200_000_000)
        }
        return line
    }

    /// Byte by byte, so that nothing after the line is taken from a pipe that others read on.
    /// nil at the end of input, or once `stops` says so.
    private static func readBytes(limit: Int, stops: (UInt8) -> Bool = { _ in false }) -> [UInt8]? {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        var sawInput = false
        while true {
            let count = read(0, &byte, 1)
            if count < 0 && errno == EINTR { continue }
            guard count == 1 else { return sawInput ? line : nil }
            sawInput = true
            if stops(byte) { return nil }
            if byte == UInt8(ascii: "\n") { return line }
            if line.count < limit { line.append(byte) }
        }
    }
}
