import ConfigurationSchema
import FFSModel
import FTPProtocol
import Logging
import StoredFormats

/// Customers who sign in with their own name and password (dynamic authentication through the firewall).
extension ControlSession {
    /// Seconds after which the client gets an answer; the supervisor gives one sooner.
    private static let longestWait = 14
    /// What a refusal takes, in seconds, or a multiple of it.
    private static let refusalStep: Int64 = 2

    /// The answer to USER that keeps a customer from sending their password in clear; nil where that is allowed, and for
    /// names that look like an account's.
    func refusalInClear(_ name: [UInt8]) -> Reply? {
        guard worker.settings.customerSignIn == .tls, !machine.isProtected, !machine.isSignedIn,
            AccountArea.account(directory: name) == nil
        else { return nil }
        return Reply(530, "Customers sign in under TLS here: AUTH TLS first.")
    }

    /// Asks the gate when `name` is no account's and may be a customer's; false when it is not a matter for the gate.
    func startCustomerSignIn(_ name: [UInt8], _ password: [UInt8]) -> Bool {
        switch worker.settings.customerSignIn {
        case .off: return false
        case .tls where !machine.isProtected: return false
        case .tls, .any: break
        }
        guard let customer = try? CustomerName(bytes: name), !worker.accounts.holds(name) else { return false }
        let trace = TraceID.random()
        log(.debug, "asking the gate", ["customer": "\(customer)", "trace": "\(trace)"])
        guard worker.signIns.ask(self, customer, password, trace: trace) else { return false }
        beginChecking(atMost: Self.longestWait)
        return true
    }

    /// The gate's answer.
    func customerSignIn(_ customer: CustomerName, _ answer: SignInAnswer) {
        guard let begun = endChecking() else { return }
        switch answer {
        case .account(let id):
            switch worker.accounts.open(id, of: customer, now: worker.time) {
            case .admitted(let account): enter(account, customer: customer)
            case .refused(let why):
                log(.error, "the account just staged cannot be opened", ["account": "\(id)", "why": "\(why)"])
                close(Self.notNow)
            }
        case .refused, .lockedOut:
            // Another answer to who is locked out would tell accounts, whose lock-out is this daemon's own, from customers.
            let why = answer == .refused ? "refused by ffsauthd" : "locked out by ffsauthd"
            log(.notice, "sign-in refused", ["why": "\(why)", "customer": "\(customer)"])
            recordRefusal(customer.description.utf8, why)
            // Counted from PASS like any other refusal.
            let elapsed = worker.loop.second - begun
            refuseLater(in: Int(Self.refusalStep - elapsed % Self.refusalStep))
        case .nothing:
            log(.notice, "sign-in refused", ["why": "entitled to nothing", "customer": "\(customer)"])
            recordRefusal(customer.description.utf8, "entitled to nothing")
            close(Reply(530, "There is nothing for you to fetch at present; ask whoever gave you your password."))
        case .busy: close(Reply(421, "Too many people sign in just now; please try again in a minute."))
        case .unavailable:
            log(.warning, "sign-in cannot be checked", ["customer": "\(customer)", "why": "see the gate's own lines"])
            close(Self.notNow)
        }
        proceed()
    }

    /// The supervisor is stuck, or gone.
    func customerSignInTimedOut() {
        log(.error, "no answer to a sign-in")
        close(Self.notNow)
    }

    private static var notNow: Reply {
        Reply(421, "Your name and password cannot be checked at present; please try again later.")
    }
}
