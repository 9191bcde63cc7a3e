package import FFSModel
import StoredFormats
package import SystemSupport
import Tobj

/// A customer's own name and password, on the way from a worker through the supervisor to the gate.
package struct SignInRequest: Sendable {
    /// The sender's; the answer bears it again.
    package var number: Int
    package let customer: CustomerName
    package let password: SecretBytes
    /// The client's network address in text: lock-out counts by it, so that ffsftpd is not one source for all.
    package let source: String
    /// Follows the sign-in through every log, from the session to ffsauthd and ffsstaged.
    package let trace: TraceID

    package init(number: Int, customer: CustomerName, password: SecretBytes, source: String, trace: TraceID) {
        self.number = number
        self.customer = customer
        self.password = password
        self.source = source
        self.trace = trace
    }

    var element: Element {
        Element(
            "sign-in",
            [
                .init("number", "\(number)".utf8), .init("customer", customer.text.utf8),
                .init("source", source.utf8), .init("trace", trace.description.utf8),
            ], text: password.bytes)
    }

    init?(_ element: Element) {
        guard let number = element.attribute("number").flatMap({ Int(String(decoding: $0, as: UTF8.self)) }),
            let customer = element.attribute("customer").flatMap({ try? CustomerName(bytes: $0) }),
            let source = element.attribute("source"), source.count <= 128,
            let trace = element.attribute("trace").flatMap({ TraceID(hex: $0) })
        else { return nil }
        self.init(
            number: number, customer: customer, password: SecretBytes(element.text),
            source: String(decoding: source, as: UTF8.self), trace: trace)
    }
}

/// What became of a ``SignInRequest``.
package enum SignInAnswer: Sendable, Hashable {
    /// The password was right, and this account holds all that the customer may have.
    case account(AccountID)
    /// Name or password are wrong, or the customer may not sign in.
    case refused
    /// Too many wrong passwords; seconds to wait.
    case lockedOut(seconds: Int)
    /// The password was right, but the customer may have nothing now.
    case nothing
    /// Too many sign-ins at once.
    case busy
    /// Relay, ffsauthd or ffsstaged do not answer, or not in time; the log says which.
    case unavailable

    /// One word, for log and `/metrics`.
    package var label: String {
        switch self {
        case .account: "accepted"
        case .refused: "refused"
        case .lockedOut: "locked-out"
        case .nothing: "nothing"
        case .busy: "busy"
        case .unavailable: "unavailable"
        }
    }

    func element(number: Int) -> Element {
        let text: String =
            switch self {
            case .account(let account): account.text
            case .lockedOut(let seconds): "\(seconds)"
            case .refused, .nothing, .busy, .unavailable: ""
            }
        return Element(
            "signed-in", [.init("number", "\(number)".utf8), .init("outcome", label.utf8)], text: text)
    }

    init?(_ element: Element) {
        switch element.attribute("outcome").map({ String(decoding: $0, as: UTF8.self) }) {
        case "accepted":
            guard let account = AccountArea.account(directory: element.text) else { return nil }
            self = .account(account)
        case "refused": self = .refused
        case "locked-out":
            guard let seconds = Int(element.string) else { return nil }
            self = .lockedOut(seconds: seconds)
        case "nothing": self = .nothing
        case "busy": self = .busy
        case "unavailable": self = .unavailable
        default: return nil
        }
    }
}

/// Whether the gate reaches the relay.
package enum RelayState: Sendable, Hashable {
    case up
    /// Why not, and what to do.
    case down(String)

    var element: Element {
        switch self {
        case .up: Element("relay")
        case .down(let why): Element("relay", [.init("state", "down".utf8)], text: why)
        }
    }

    init(_ element: Element) { self = element.attribute("state") == nil ? .up : .down(element.string) }
}
