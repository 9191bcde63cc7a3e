/// What went wrong, in the terms every wire, log and exit code shares.
///
/// This is the one table from an internal failure to the `code` of a Tobj error (ffs-commlink(7)),
/// the log level and the retry class. FTP and HTTP replies are derived from it in FTPProtocol and WebFront.
package enum FailureCode: String, Sendable, CaseIterable {
    /// A request that no correct peer sends: unknown field, malformed value.
    case badRequest = "bad-request"
    /// A request type this daemon does not serve, or not on this link.
    case notServed = "not-served"
    /// Wrong name or password, or a customer who may not sign in; never says which.
    case loginRefused = "login-refused"
    /// Too many wrong passwords from this source for this name.
    case lockedOut = "locked-out"
    /// The customer's password, status or row has changed since they signed in, or they have expired.
    case sessionEnded = "session-ended"
    /// The customer is not entitled to what they ask for.
    case notEntitled = "not-entitled"
    /// No such product, version, account, customer, …
    case notFound = "not-found"
    /// It exists already.
    case exists = "exists"
    /// The account was withdrawn or has expired.
    case gone = "gone"
    /// A bounded queue is full; asking again later helps.
    case busy = "busy"
    /// The daemon is stopping; another instance, or the same a little later, will answer.
    case draining = "draining"
    /// The other side of a link does not answer.
    case unreachable = "unreachable"
    /// No bytes or inodes left, or a quota reached.
    case noSpace = "no-space"
    /// Stored data failed its check (digest, format).
    case corrupt = "corrupt"
    /// The operator's configuration, keys, modes or file systems are wrong.
    case configuration = "configuration"
    /// The caller lacks a permission (ffsctl as the wrong user, a link without that right).
    case denied = "denied"
    /// A defect or an unexpected system error.
    case `internal` = "internal"

    /// Whether the same request may succeed if it is sent again.
    package enum RetryClass: String, Sendable {
        /// The answer will not change.
        case never
        /// The same peer, later.
        case later
        /// Another instance, at once.
        case elsewhere
    }

    /// Whether a refusal is remembered like a success: an account that has ended never comes back, and one wrong
    /// password counts once. All others may turn into success as soon as somebody mends what they name.
    package var isFinal: Bool { self == .gone || self == .loginRefused }

    /// Severity for the structured log; names are swift-log's.
    package enum LogLevel: String, Sendable { case info, notice, warning, error }

    package var retry: RetryClass {
        switch self {
        case .busy, .lockedOut, .noSpace: .later
        case .draining, .unreachable: .elsewhere
        default: .never
        }
    }

    package var logLevel: LogLevel {
        switch self {
        case .loginRefused, .sessionEnded, .notEntitled, .notFound, .exists, .gone: .info
        case .badRequest, .notServed, .lockedOut, .busy, .draining, .denied: .notice
        case .unreachable, .noSpace: .warning
        case .corrupt, .configuration, .internal: .error
        }
    }

    /// The exit status a program ends with when this failure stops it; sysexits(3).
    package var exitStatus: Int32 {
        switch self {
        case .badRequest, .notServed: 64  // EX_USAGE
        case .corrupt: 65  // EX_DATAERR
        case .notFound, .gone: 66  // EX_NOINPUT
        case .loginRefused, .sessionEnded, .notEntitled, .denied, .lockedOut: 77  // EX_NOPERM
        case .unreachable: 69  // EX_UNAVAILABLE
        case .internal: 70  // EX_SOFTWARE
        case .noSpace, .exists: 73  // EX_CANTCREAT
        case .busy, .draining: 75  // EX_TEMPFAIL
        case .configuration: 78  // EX_CONFIG
        }
    }
}

/// An error a person can act on: a code from the table above and one or two sentences that say what failed,
/// why, and what to do. `cause` goes to the log and never over a wire.
package struct Failure: Error, Sendable, CustomStringConvertible {
    package let code: FailureCode
    /// What failed and what the reader can do about it.
    package let text: String
    /// The underlying error for the log.
    package let cause: String?
    /// Seconds after which a retry makes sense; nil where the code alone says enough.
    package let retryAfter: Int?

    package init(_ code: FailureCode, _ text: String, cause: String? = nil, retryAfter: Int? = nil) {
        self.code = code
        self.text = text
        self.cause = cause
        self.retryAfter = retryAfter
    }

    package var description: String { cause.map { "\(text) (\($0))" } ?? text }
}
