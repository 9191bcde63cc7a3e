import FFSModel
import FTPProtocol
import SystemSupport

/// A worker's sign-ins of customers that wait for an answer. Belongs to the control thread.
package final class SignInDesk {
    private var waiting: [Int: (session: ControlSession, customer: CustomerName)] = [:]
    private var lastNumber = 0
    /// To the supervisor; nil once it is gone.
    package var send: ((ChannelMessage) -> Void)?

    package init() {}

    /// False when there is nobody to ask.
    func ask(_ session: ControlSession, _ customer: CustomerName, _ password: [UInt8], trace: TraceID) -> Bool {
        guard let send else { return false }
        lastNumber += 1
        waiting[lastNumber] = (session, customer)
        send(
            .signIn(
                SignInRequest(
                    number: lastNumber, customer: customer, password: SecretBytes(password),
                    source: session.peer.endpoint.address.description, trace: trace)))
        return true
    }

    /// An answer came. Its session may have ended meanwhile.
    package func take(_ number: Int, _ answer: SignInAnswer) {
        guard let (session, customer) = waiting.removeValue(forKey: number) else { return }
        session.customerSignIn(customer, answer)
    }
}
