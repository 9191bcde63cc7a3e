import ArgumentParser
import Clients
import FFSModel
import Requests
import SystemSupport

extension Session {
    /// ffsauthd on this machine.
    var auth: AuthClient { AuthClient(daemon(.ffsauthd)) }

    /// Asks on the terminal whether to go on; `--yes` has said so already.
    ///
    /// Throws `bad-request` when the answer is no, or when there is nobody to ask.
    func confirm(_ question: String, yes: Bool) throws(Failure) {
        if yes { return }
        guard Terminal.isTerminal(.input) else {
            throw Failure(.badRequest, "\(question) There is no terminal to ask on; say --yes")
        }
        let answer = Terminal.readLine(prompt: "\(question) [y/N] ", echo: true) ?? []
        guard answer.elementsEqual("y".utf8) || answer.elementsEqual("yes".utf8) else {
            throw Failure(.badRequest, "left as it was")
        }
    }
}

extension Session {
    /// Prints a list of ffsauthd's page by page, as it comes.
    ///
    /// - Parameters:
    ///   - limit: rows.
    ///   - values: a row's cells; nil leaves it out.
    func print<Request: PagedRequest>(
        _ request: Request, _ columns: [String], limit: Int = .max, empty: String,
        values: (Request.Row) -> [Value]?
    ) async throws {
        var writer = TableWriter(columns, output)
        var rest = limit
        try await auth.pages(of: request) { rows in
            writer.add(rows.prefix(rest).compactMap(values))
            rest -= min(rest, rows.count)
            return rest > 0
        }
        writer.finish(empty: empty)
    }
}

/// A name on the command line; what is wrong with it is said by its own rule.
func parsedName<N: Name>(_ text: String) throws -> N {
    do { return try N(text) } catch { throw ValidationError("\(error)") }
}

/// `192.0.2.7`, `2001:db8::/32`: an address or a network.
func parsedNetwork(_ text: String) throws -> IPNetwork {
    guard let network = IPNetwork(text: text.utf8) else {
        throw ValidationError("\(text) is neither an address nor a network such as 192.0.2.0/24")
    }
    return network
}

/// `finish`, `cut`, or `grace 600` (also `grace:600`, which needs no quotes).
func parsedPolicy(_ text: String) throws -> ExpiryPolicy {
    let words = text.split(whereSeparator: { $0 == " " || $0 == ":" }).joined(separator: " ")
    guard let policy = ExpiryPolicy(words) else {
        throw ValidationError("a policy is finish, cut, or grace:<seconds> with 1 to 604800 seconds")
    }
    return policy
}

/// A moment on the command line: `2027-01-31`, `2027-01-31T12:00:00Z`, a time from now (`90d`, `12h`, `30m`), `never`.
enum When: Sendable, Hashable {
    case never
    case at(Timestamp)
    /// Seconds from now.
    case later(Int64)

    init(parsing text: String) throws {
        if text == "never" {
            self = .never
        } else if let timestamp = Timestamp(text) {
            self = .at(timestamp)
        } else if let unit = Self.units[text.last ?? " "], let count = Int64(text.dropLast()),
            (1...99_999).contains(count)
        {
            self = .later(count * unit)
        } else {
            throw ValidationError(
                "a time is a day (2027-01-31), a moment in UTC (2027-01-31T12:00:00Z), from now (90d, 12h, 30m) or never"
            )
        }
    }

    private static let units: [Character: Int64] = ["d": 86_400, "h": 3_600, "m": 60]

    /// nil for never.
    var timestamp: Timestamp? {
        switch self {
        case .never: nil
        case .at(let timestamp): timestamp
        case .later(let seconds): SystemClock.now() + seconds
        }
    }
}

/// How a new password comes: never on the command line, where `ps` and the shell's history would show it.
struct PasswordOptions: ParsableArguments {
    @Flag(help: "Read the password from the first line of standard input.")
    var passwordStdin = false

    @Flag(help: "Make a random password and print it, this once.")
    var generate = false

    func validate() throws {
        if passwordStdin && generate { throw ValidationError("--password-stdin and --generate exclude each other") }
    }

    /// The password, and itself in text when it was made here and must be shown.
    func read(for customer: CustomerName) throws(Failure) -> (password: [UInt8], shown: String?) {
        if generate {
            let password = Self.random()
            return (Array(password.utf8), password)
        }
        if passwordStdin {
            guard let line = Terminal.readLine(prompt: "", echo: false), !line.isEmpty else {
                throw Failure(.badRequest, "standard input is empty; it must hold the password on its first line")
            }
            return (line.last == UInt8(ascii: "\r") ? line.dropLast() : line, nil)
        }
        guard Terminal.isTerminal(.input) else {
            throw Failure(
                .badRequest, "there is no terminal to type a password on; say --password-stdin or --generate")
        }
        let first = Terminal.readLine(prompt: "New password for \(customer): ", echo: false) ?? []
        guard !first.isEmpty else { throw Failure(.badRequest, "no password was typed") }
        let second = Terminal.readLine(prompt: "Again: ", echo: false) ?? []
        guard first == second else { throw Failure(.badRequest, "the two were not the same; try again") }
        return (first, nil)
    }

    /// 24 characters of base32, 120 random bits, in groups that can be read out on the telephone.
    static func random() -> String {
        let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)
        let characters = randomBytes(24).map { alphabet[Int($0 & 31)] }
        return stride(from: 0, to: 24, by: 6).map { String(decoding: characters[$0..<$0 + 6], as: UTF8.self) }
            .joined(separator: "-")
    }
}
