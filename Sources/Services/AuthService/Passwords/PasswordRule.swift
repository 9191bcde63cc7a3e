import FFSModel
import Requests
import Tobj

/// What a new password must be. Length is what counts; no rule about kinds of characters.
struct PasswordRule: Sendable {
    /// Bytes.
    let minimum: Int

    /// Throws `bad-request` with the rule that is broken.
    func check(_ password: [UInt8], of customer: CustomerName) throws(Failure) {
        guard password.count >= minimum else {
            throw Failure(.badRequest, "a password has at least \(minimum) characters; choose a longer one")
        }
        guard password.count <= Fields.passwordBytes else {
            throw Failure(.badRequest, "a password has at most \(Fields.passwordBytes) bytes; choose a shorter one")
        }
        guard !password.contains(0) else { throw Failure(.badRequest, "a password cannot hold a NUL byte") }
        guard !password.elementsEqual(customer.text.utf8) else {
            throw Failure(.badRequest, "the password is the customer's name; choose another")
        }
    }
}
