import COpenSSL

/// What OpenSSL said, as one sentence.
package struct TLSError: Error, Sendable, CustomStringConvertible {
    package enum Kind: Sendable {
        /// A certificate or key that cannot be used; the operator's to mend.
        case credentials
        /// The peer broke the protocol, sent an alert, or offered nothing we accept.
        case peer
        /// The peer closed the transport without close_notify: what came before may be cut short.
        case truncated
        /// Out of memory and the like.
        case system
    }

    package let kind: Kind
    package let description: String

    package init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }

    /// Takes the oldest entry of this thread's error queue, which names the root cause, and empties the queue.
    static func fromQueue(_ kind: Kind, _ what: String) -> TLSError {
        let code = ERR_get_error()
        ERR_clear_error()
        guard code != 0 else { return TLSError(kind, what) }
        let reason = ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(code)"
        return TLSError(kind, "\(what): \(reason)")
    }
}
