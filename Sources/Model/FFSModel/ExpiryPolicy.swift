/// What happens to running downloads when an account expires or is revoked. Logins stop at once in every case.
package enum ExpiryPolicy: Sendable, Hashable, CustomStringConvertible {
    /// Running transfers end by themselves, then the session closes (the default).
    case finish
    /// The session may go on, and resume, for that many seconds.
    case grace(seconds: Int)
    /// Transfers are closed within one second.
    case cut

    /// `finish`, `grace 600` or `cut`: the form on wires, in records and on the command line.
    package var description: String {
        switch self {
        case .finish: "finish"
        case .grace(let seconds): "grace \(seconds)"
        case .cut: "cut"
        }
    }

    /// nil unless `text` is the form that `description` gives; grace is 1 second to 7 days.
    package init?(_ text: String) {
        switch text {
        case "finish": self = .finish
        case "cut": self = .cut
        default:
            guard text.utf8.starts(with: "grace ".utf8), let seconds = Int(String(text.dropFirst(6))),
                (1...604_800).contains(seconds)
            else { return nil }
            self = .grace(seconds: seconds)
        }
    }
}
