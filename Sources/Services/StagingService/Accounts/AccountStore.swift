import FFSModel
import StoredFormats
import Synchronization
import SystemSupport

/// The account area on disk: where accounts are built, published, rewritten and withdrawn (docs/formats.md).
/// Every step is one atomic change of the directory tree.
final class AccountStore: Sendable {
    let path: String
    let root: Descriptor
    let building: Descriptor
    let withdrawn: Descriptor
    /// flock(2): one daemon serves an area.
    private let lock: Mutex<WrittenFile?>

    /// Opens the area and makes its work folders.
    ///
    /// - Parameter rootMode: how the area itself is opened; tests take away what they want to see missed.
    /// - Throws: `configuration` when another ffsstaged serves it.
    init(path: String, rootMode: OpenMode = [.read, .directory]) throws(Failure) {
        self.path = path
        let isFree: Bool
        do throws(SystemError) {
            root = try Descriptor.open(CPath(path), rootMode)
            building = try root.ensureDirectory(CPath(AccountArea.building), permissions: 0o750)
            withdrawn = try root.ensureDirectory(CPath(AccountArea.withdrawn), permissions: 0o750)
            let file = try root.open(".lock", [.readWrite, .create], permissions: 0o600)
            isFree = try file.tryLock()
            lock = Mutex(WrittenFile(file))
        } catch { throw error.failure("cannot open the account area \(path)") }
        guard isFree else {
            throw Failure(.configuration, "another ffsstaged serves the account area \(path); stop it first")
        }
    }

    /// Lets another daemon serve the area.
    func unlock() { lock.withLock { $0 = nil } }

    /// A record, and whether its account still lives.
    enum Found {
        case live(AccountRecord)
        case withdrawn(AccountRecord)
    }

    /// What the area knows of `account`; nil when nothing.
    func find(_ account: AccountID) throws(Failure) -> Found? {
        if let record = try record(of: account, in: root) { return .live(record) }
        if let record = try record(of: account, in: withdrawn) { return .withdrawn(record) }
        // A withdrawal between the two looks is the only way to miss it.
        return try record(of: account, in: root).map { .live($0) }
    }

    /// The record of `account` below `area`; nil when there is none.
    func record(of account: AccountID, in area: borrowing Descriptor) throws(Failure) -> AccountRecord? {
        let bytes: [UInt8]?
        do throws(SystemError) {
            // Nobody but this daemon writes here; should someone have, their symbolic link is not an account.
            bytes = try area.open(
                CPath("\(account)/\(AccountArea.record)"), [.read, .nonBlocking], rules: [.beneath, .noSymbolicLinks]
            ).readAll(limit: AccountRecord.sizeLimit)
        } catch {
            if error.errno == .noEntry { return nil }
            let isForged = [.symbolicLink, .notDirectory, .isDirectory].contains(error.errno)
            throw error.failure("cannot read the record of account \(account)", isForged ? .corrupt : nil)
        }
        let record = try AccountRecord(bytes: bytes ?? [])
        guard record.account == account else {
            throw Failure(.corrupt, "the record of account \(account) is another account's (\(record.account))")
        }
        return record
    }

    /// rename(2) of the finished tree: from now on the account exists.
    func publish(_ account: AccountID) throws(SystemError) {
        let name = CPath(account.text)
        try building.rename(name, to: root, name, ifExists: .refuse)
    }

    /// Takes a publication back; the account is one that is being built again.
    func unpublish(_ account: AccountID) throws(SystemError) {
        let name = CPath(account.text)
        try root.rename(name, to: building, name, ifExists: .refuse)
    }

    /// Replaces the record of a living account, durably.
    func rewrite(_ record: AccountRecord) throws(SystemError) {
        let temporary = CPath("\(record.account).record")
        try? building.unlink(temporary)
        try building.writeFile(temporary, record.serialized(), permissions: 0o640, durable: true)
        let folder = try root.open(CPath(record.account.text), [.read, .directory])
        try building.rename(temporary, to: folder, CPath(AccountArea.record), ifExists: .replace)
        try folder.sync()
    }

    /// rename(2) out of the area: logins stop at once. false when it was gone already.
    func withdraw(_ account: AccountID) throws(SystemError) -> Bool {
        let name = CPath(account.text)
        do { try root.rename(name, to: withdrawn, name, ifExists: .refuse) } catch {
            if error.errno == .noEntry { return false }
            throw error
        }
        return true
    }

    /// Moves something that is no account out of sight, to be removed.
    func discard(_ name: CPath, from folder: borrowing Descriptor) throws(SystemError) {
        try folder.rename(name, to: withdrawn, CPath("x-\(ID128.random())"), ifExists: .refuse)
    }
}
