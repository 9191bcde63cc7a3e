import Crypto
import FFSModel

/// 256 random bits that stand for a session: in the browser's cookie, or as the API's bearer token.
struct SessionToken: Sendable, Hashable {
    private let bytes: [UInt8]

    /// A fresh one, from the system's generator.
    static func random() -> SessionToken {
        SessionToken(bytes: ID128.random().bytes + ID128.random().bytes)
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    /// nil unless `text` is what ``text`` gives.
    init?(_ text: String) {
        guard text.utf8.count == 64, let bytes = Hex.decode(text.utf8) else { return nil }
        self.bytes = bytes
    }

    /// 64 hexadecimal digits.
    var text: String { Hex.string(bytes) }

    /// What the session table is keyed with. Finding an entry by the token itself would let the time it takes
    /// speak about its first bytes; the time over a hash says nothing.
    var key: Key { Key(digest: Array(SHA256.hash(data: bytes))) }

    struct Key: Sendable, Hashable { fileprivate let digest: [UInt8] }
}

/// Makes and checks the token that every form carries: HMAC-SHA-256 over the session's token.
///
/// Bound to the session without being stored: a visitor who has not signed in costs no memory, and signing in changes
/// the session's token and with it every form's.
struct FormGuard: Sendable {
    private let key = SymmetricKey(size: .bits256)

    func token(for session: SessionToken) -> String {
        Hex.string(HMAC<SHA256>.authenticationCode(for: Array("form \(session.text)".utf8), using: key))
    }

    /// Compares in constant time.
    func accepts(_ token: String?, for session: SessionToken) -> Bool {
        guard let token, let code = Hex.decode(token.utf8) else { return false }
        return HMAC<SHA256>.isValidAuthenticationCode(
            code, authenticating: Array("form \(session.text)".utf8), using: key)
    }
}
