package import FFSModel

/// One command line, parsed: each verb with exactly what its handler needs, so that a handler can neither ask for the
/// wrong argument nor forget to answer.
package enum Command: Sendable, Hashable {
    case user([UInt8]), pass([UInt8]), acct, rein, quit
    case host(HostName), auth([UInt8]), pbsz, prot([UInt8]), ccc, lang([UInt8]?)
    case cwd([UInt8]), cdup, pwd, syst, feat, opts([UInt8]), help([UInt8]?), noop
    /// nil: of the session.
    case stat(ListArgument?)
    case site([UInt8]), clnt([UInt8]), csid([UInt8])
    /// PORT and EPRT.
    case active(Endpoint)
    case pasv, epsv(ExtendedPassive), type([UInt8]), mode([UInt8]), stru([UInt8]), allo
    case rest(UInt64), rang(FileRange), abor
    case retr([UInt8]), size([UInt8]), mdtm([UInt8])
    /// nil: the current directory.
    case mlst([UInt8]?), mlsd([UInt8]?)
    case list(ListArgument), nlst(ListArgument)
    case hash([UInt8])
    /// XCRC and relatives.
    case digest(HashAlgorithm, DigestArgument)
    case avbl
    /// Whatever could write: what it gets once signed in.
    case refused(Reply)

    /// Why a line is no command.
    package enum Refusal: Error, Sendable, Hashable {
        /// No such verb; holds the word, cut to 16 bytes and made printable, for the log.
        case unknown(String)
        /// A verb of HTTP or SMTP: somebody's browser is being used against us; the connection must be closed.
        case otherProtocol(String)
        case argument(Verb, ArgumentError)
    }

    /// Exactly one space separates verb and argument; further ones belong to the argument (RFC 959 §5.3.1).
    package init(line: [UInt8]) throws(Refusal) { self = try Self.parse(line).command }

    /// With the row that says when it may run.
    static func parse(_ line: [UInt8]) throws(Refusal) -> (row: CommandRow, command: Command) {
        let word = line.prefix { $0 != UInt8(ascii: " ") }
        guard let verb = Verb(word: word) else {
            let printable = String(
                decoding: word.prefix(16).map { (0x21...0x7E).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
            throw otherProtocols.contains(printable) ? .otherProtocol(printable) : .unknown(printable)
        }
        let row = CommandTable.row(verb)
        do { return (row, try row.parse(line.dropFirst(word.count + 1))) } catch { throw .argument(verb, error) }
    }

    private static let otherProtocols: Set<String> = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PATCH", "PROPFIND", "PRI", "EHLO",
        "HELO", "RCPT",
    ]
}
