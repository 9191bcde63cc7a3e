package import FFSModel
import SystemSupport
package import Transparency

/// What must outlive the log database and not be restored with it: the key that signs checkpoints, and the last checkpoint that
/// it signed. Both lie beside the database.
package struct LogKey: Sendable {
    private let directory: String
    private let seed: [UInt8]

    private static let secret: CPath = "log.key"
    private static let signed: CPath = "log.signed"

    /// The key in `directory`/log.key; made at the first start.
    ///
    /// - Throws: `configuration` when others can read it or it is damaged.
    package static func load(directory: String) throws(Failure) -> LogKey {
        do throws(SystemError) {
            let folder = try Descriptor.open(CPath(directory), [.read, .directory])
            if try folder.statusIfPresent(of: secret) == nil {
                let temporary = CPath("log.key.\(ID128.random())")
                try folder.writeFile(temporary, randomBytes(32), permissions: 0o400, durable: true)
                // Of two first starts at once, one wins and both read the winner's.
                do { try folder.rename(temporary, to: folder, secret, ifExists: .refuse) } catch {
                    try folder.unlink(temporary)
                    guard error.errno == .exists else { throw error }
                }
                try folder.sync()
            }
            let status = try folder.status(of: secret)
            guard status.kind == .file, status.permissions & 0o077 == 0 else {
                throw SystemError("statx", .notPermitted, path: "\(directory)/log.key")
            }
            if let seed = try folder.readFile(secret, limit: 1_024), seed.count == 32 {
                return LogKey(directory: directory, seed: seed)
            }
        } catch { throw error.failure("cannot use the log's key, which must be a file of mode 0400", .configuration) }
        throw Failure(
            .configuration,
            "\(directory)/log.key is damaged; restore it from a backup, or remove it: the log then goes on under another key"
        )
    }

    /// Signs for the log of that name.
    package func signer(origin: String) throws(Failure) -> NoteSigner {
        do { return try NoteSigner(name: origin, kind: .note, seed: seed) } catch {
            throw Failure(.internal, "the log's name \(origin) cannot sign", cause: "\(error)")
        }
    }

    /// The last checkpoint that was signed here, as far as the file tells; nil before the first.
    package func lastSigned() throws(Failure) -> Checkpoint? {
        do throws(SystemError) {
            let folder = try Descriptor.open(CPath(directory), [.read, .directory])
            guard let text = try folder.readFile(Self.signed, limit: 4_096) else { return nil }
            if let checkpoint = try? Checkpoint(text: text) { return checkpoint }
        } catch { throw error.failure("cannot read \(directory)/log.signed", .configuration) }
        throw Failure(
            .corrupt, "\(directory)/log.signed is damaged; remove it, and compare the hosts' checkpoints with the log")
    }

    /// Writes the checkpoint down, durably, before it is signed. Throws `corrupt` where another root was signed for this size.
    package func remember(_ checkpoint: Checkpoint) throws(Failure) {
        if let last = try lastSigned(), last.origin == checkpoint.origin {
            guard last.size != checkpoint.size || last.root == checkpoint.root else {
                throw Failure(
                    .corrupt,
                    "the log is not the one that was signed at \(last.size) entries; restore the log database from a backup and start again"
                )
            }
            guard last.size < checkpoint.size else { return }
        }
        do throws(SystemError) {
            let folder = try Descriptor.open(CPath(directory), [.read, .directory])
            let temporary = CPath("log.signed.\(ID128.random())")
            try folder.writeFile(temporary, checkpoint.text, permissions: 0o600, durable: true)
            try folder.rename(temporary, to: folder, Self.signed, ifExists: .replace)
            try folder.sync()
        } catch { throw error.failure("cannot write \(directory)/log.signed, so no checkpoint is signed") }
    }
}
