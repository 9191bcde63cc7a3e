import CCrypt
import SystemSupport

/// A stored password: crypt(5)'s `$y$…` text, or that of another method which an operator brought along.
/// Printing one shows nothing of it.
package struct PasswordHash: Sendable, Hashable, CustomStringConvertible {
    package let text: String

    package init(text: String) { self.text = text }

    package var description: String { "(password hash)" }

    /// Method and cost, such as `$y$j9T$`: what decides whether a hash is as strong as a new one would be.
    var parameters: Substring {
        let fields = text.split(separator: "$", maxSplits: 3, omittingEmptySubsequences: false)
        guard fields.count == 4 else { return text[...] }
        return text[..<fields[3].startIndex]
    }
}

/// libcrypt's work area for one thread, some 32 KiB, reused from hash to hash.
/// This file is the only one that calls libcrypt.
struct CryptContext: ~Copyable {
    private var area: UnsafeMutableRawPointer?
    private var size: Int32 = 0

    init() {}

    deinit {
        if let area { ffs_crypt_free(area) }
    }

    /// A new setting for yescrypt at `cost` (crypt(5): 1 to 11) with a salt from getrandom(2);
    /// nil when libcrypt does not know yescrypt or refuses the cost.
    static func setting(cost: Int) -> PasswordHash? {
        guard let text = crypt_gensalt_ra("$y$", UInt(cost), nil, 0) else { return nil }
        defer { ffs_crypt_free(text) }
        return PasswordHash(text: String(cString: text))
    }

    /// crypt_ra(3) of `password` under `setting`, which may be an earlier hash. nil when libcrypt refuses the
    /// setting, or when the password is one that no hash can be of: over 511 bytes, or with a NUL, at which
    /// crypt(3) would stop reading and so accept any password that begins alike.
    mutating func hash(_ password: [UInt8], setting: PasswordHash) -> PasswordHash? {
        guard password.count < CRYPT_MAX_PASSPHRASE_SIZE, !password.contains(0) else { return nil }
        var phrase = password
        phrase.append(0)
        return phrase.withUnsafeMutableBytes { bytes in
            guard let start = bytes.baseAddress else { return nil }
            // The copy that crypt_ra read must not lie about in freed memory.
            defer { SecretMemory.wipe(bytes) }
            guard let text = crypt_ra(start.assumingMemoryBound(to: CChar.self), setting.text, &area, &size) else {
                return nil
            }
            return PasswordHash(text: String(cString: text))
        }
    }

    /// Whether `password` is the one that `stored` was made of.
    mutating func matches(_ password: [UInt8], _ stored: PasswordHash) -> Bool {
        guard let made = hash(password, setting: stored) else { return false }
        return constantTimeEqual(Array(made.text.utf8), Array(stored.text.utf8))
    }
}

/// Whether two byte strings are equal, in a time that depends on their lengths alone.
@inline(never)
func constantTimeEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    guard a.count == b.count else { return false }
    var difference: UInt8 = 0
    for index in a.indices { difference |= a[index] ^ b[index] }
    return difference == 0
}
