/// One command line, parsed.
package struct Command: Sendable, Hashable {
    package let verb: Verb
    package let argument: Argument

    package init(_ verb: Verb, _ argument: Argument) {
        self.verb = verb
        self.argument = argument
    }

    /// Why a line is no command.
    package enum Refusal: Error, Sendable, Hashable {
        /// No such verb; holds the word, cut to 16 bytes and made printable, for the log.
        case unknown(String)
        /// A verb of HTTP or SMTP: somebody's browser is being used against us; the connection must be closed.
        case otherProtocol(String)
        case argument(Verb, ArgumentError)
    }

    /// Exactly one space separates verb and argument; further ones belong to the argument (RFC 959 §5.3.1).
    package init(line: [UInt8]) throws(Refusal) {
        let word = line.prefix { $0 != UInt8(ascii: " ") }
        let rest = line.dropFirst(word.count + 1)
        guard let verb = Verb(word: word) else {
            let printable = String(
                decoding: word.prefix(16).map { (0x21...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
            throw Self.otherProtocols.contains(printable) ? .otherProtocol(printable) : .unknown(printable)
        }
        do {
            self.init(verb, try CommandTable.row(verb).argument.parse(rest))
        } catch { throw .argument(verb, error) }
    }

    private static let otherProtocols: Set<String> = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PATCH", "PROPFIND", "PRI", "EHLO",
        "HELO", "RCPT",
    ]

    /// The bytes of a text argument.
    package var text: [UInt8] {
        if case .text(let text) = argument { text } else { [] }
    }

    /// The path argument; nil when none was given.
    package var path: [UInt8]? {
        switch argument {
        case .path(let path): path
        case .listing(_, let path): path
        default: nil
        }
    }

    package var number: UInt64 {
        if case .number(let number) = argument { number } else { 0 }
    }
}
