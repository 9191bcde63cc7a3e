import Crypto
package import FFSModel
import SystemSupport

/// Derives an account's login and password from the request that makes it, so that a repeat of the request gets the
/// first reply, also after a restart, although the password is stored nowhere (docs/formats.md).
package struct AccountCredentials: Sendable {
    private let key: SymmetricKey

    package init(secret: [UInt8]) { key = SymmetricKey(data: secret) }

    /// The secret in `directory`/staging-secret; made at the first start.
    ///
    /// - Throws: `configuration` when others can read it or it is damaged.
    package static func load(directory: String) throws(Failure) -> AccountCredentials {
        let name: CPath = "staging-secret"
        let path = "\(directory)/staging-secret"
        do throws(SystemError) {
            let folder = try Descriptor.open(CPath(directory), [.read, .directory])
            if try folder.statusIfPresent(of: name) == nil {
                let temporary = CPath("staging-secret.\(ID128.random())")
                try folder.writeFile(temporary, randomBytes(32), permissions: 0o400, durable: true)
                // Of two first starts at once, one wins and both read the winner's.
                do { try folder.rename(temporary, to: folder, name, ifExists: .refuse) } catch {
                    try folder.unlink(temporary)
                    guard error.errno == .exists else { throw error }
                }
                try folder.sync()
            }
            let status = try folder.status(of: name)
            guard status.kind == .file, status.permissions & 0o077 == 0 else {
                throw SystemError("statx", .notPermitted, path: path)
            }
            if let secret = try folder.readFile(name, limit: 1024), secret.count == 32 {
                return AccountCredentials(secret: secret)
            }
        } catch {
            throw error.failure("cannot use the staging secret, which must be a file of mode 0400", .configuration)
        }
        throw Failure(
            .configuration,
            "\(path) is not the 32 bytes ffsstaged wrote; remove it, and accept that repeats of earlier requests get new accounts"
        )
    }

    /// 16 characters, 80 bits.
    package func account(for request: RequestID) -> AccountID {
        // 16 characters of the base32 alphabet always make an account name.
        AccountID(validated: Self.base32(code("ffs account 1", request.bytes), count: 16))
    }

    /// 26 characters, 130 bits. The record has the moment of creation, so a repeat finds the same password as long as the
    /// record is kept; an account that the same request makes after that has another.
    package func password(for request: RequestID, created: Timestamp) -> String {
        let moment = (0..<8).map { UInt8(truncatingIfNeeded: created.seconds >> (56 - 8 * $0)) }
        return Self.base32(code("ffs password 2", request.bytes + moment), count: 26)
    }

    private func code(_ label: String, _ bytes: [UInt8]) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: Array(label.utf8) + bytes, using: key))
    }

    private static let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567".utf8)

    /// RFC 4648 §6 in lower case: five bits a character, most significant first.
    static func base32(_ bytes: [UInt8], count: Int) -> String {
        var text: [UInt8] = []
        var buffer: UInt32 = 0
        var bits = 0
        for byte in bytes where text.count < count {
            buffer = buffer << 8 | UInt32(byte)
            bits += 8
            while bits >= 5, text.count < count {
                bits -= 5
                text.append(alphabet[Int(buffer >> UInt32(bits) & 31)])
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
