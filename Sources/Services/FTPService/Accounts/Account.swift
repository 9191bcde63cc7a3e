import Events
package import FFSModel
import FTPProtocol
import StoredFormats
package import SystemSupport

/// One account that sessions of this worker are signed in to; shared by all of them. Belongs to the control thread.
package final class Account: SessionAccount {
    package let id: AccountID
    package var name: [UInt8] { Array(id.text.utf8) }
    package let tree: AccountTree
    /// The record as it was read, and the file it was read from.
    fileprivate(set) var record: AccountRecord
    fileprivate(set) var recordStatus: FileStatus
    /// When it was seen to have ended, by expiry or withdrawal.
    package fileprivate(set) var ended: Ending?
    package var sessions = 0
    /// The record's path below the area.
    fileprivate let place: CPath
    fileprivate var idleSince: Int64 = 0
    private let digests = DigestIndex()
    private var subjects: AccountSubjects?

    package enum Ending: Sendable, Hashable {
        /// Running transfers end by themselves.
        case finish
        /// Everything goes on until this moment.
        case until(Timestamp)
        case cut
    }

    fileprivate init(
        record: AccountRecord, status: FileStatus, root: consuming Descriptor, index: OpenFile?
    ) {
        id = record.account
        self.record = record
        recordStatus = status
        tree = AccountTree(root, index)
        place = CPath("\(record.account.text)/\(AccountArea.record)")
    }

    /// Whether a download is complete only when its record is on disk: it is charged for.
    var isMetered: Bool { record.origin?.isMetered ?? false }

    /// Whose content a file is, for the journal; nil: of the account as a whole.
    func subject(of path: VirtualPath?) -> EventSubject {
        let subjects = self.subjects ?? AccountSubjects(record)
        self.subjects = subjects
        return subjects.subject(of: path)
    }

    /// The SHA-256 that was known when the account was published; nil for what has none.
    package func digest(of path: VirtualPath) -> ContentDigest? {
        digests.lookUp(path.relative, in: tree)
    }
}

/// The files of one account, on any thread.
package final class AccountTree: Sendable {
    /// The customer's `/`.
    private let root: Descriptor
    /// What large trees hold, written when they were built.
    private let index: OpenFile?

    fileprivate init(_ root: consuming Descriptor, _ index: OpenFile?) {
        self.root = root
        self.index = index
    }

    /// What the folder at `path` holds, in byte order; nil: nobody wrote it down, and the folder must be read.
    package func indexed(_ path: VirtualPath) -> IndexedFolder? {
        index.flatMap { IndexedFolder(path == .root ? [] : path.relative, in: $0) }
    }

    private static let rules: ResolveRules = [.inRoot, .noSymbolicLinks, .noMagicLinks, .noMounts]

    /// Opens what `path` names below the account's root and nowhere else.
    package func open(_ path: VirtualPath, directory: Bool) throws(SystemError) -> Descriptor {
        guard let name = CPath(bytes: path.relative) else { throw SystemError("openat2", .noEntry) }
        var mode: OpenMode = [.read, .nonBlocking, .noFollow]
        if directory { mode.insert(.directory) }
        return try root.open(name, mode, rules: Self.rules)
    }

    /// A regular file; anything else is refused like a missing one.
    package func openFile(_ path: VirtualPath) throws(SystemError) -> OpenFile {
        let descriptor = try open(path, directory: false)
        let status = try descriptor.status()
        guard status.kind == .file else { throw SystemError("openat2", .isDirectory) }
        return OpenFile(descriptor, status)
    }
}

/// The account area as ffsftpd sees it: an account exists exactly when its record does (docs/formats.md).
package final class ServedAccounts {
    private let area: Descriptor
    private var known: [AccountID: Account] = [:]
    /// Accounts without a session are forgotten after so many seconds.
    private static let keptSeconds: Int64 = 30

    package init(area: consuming Descriptor) { self.area = area }

    package enum Admission {
        case admitted(Account)
        /// For the log; the client never learns which.
        case refused(String)
    }

    /// The one reason that counts towards a lock-out.
    static let wrongPassword = "wrong password"

    /// Checks `password` against the record of the account called `name`.
    package func admit(name: [UInt8], password: [UInt8], now: Timestamp) -> Admission {
        guard let id = AccountArea.account(directory: name) else { return .refused("no such account") }
        return admit(id, password: password, now: now)
    }

    /// As ``admit(name:password:now:)`` for an account whose name is known to be one.
    package func admit(_ id: AccountID, password: [UInt8], now: Timestamp) -> Admission {
        do {
            guard let account = try current(id) else { return .refused("no such account") }
            guard account.record.admits(password: password, at: now) else {
                return .refused(account.record.isLive(at: now) ? Self.wrongPassword : "expired")
            }
            return account.ended == nil ? .admitted(account) : .refused("withdrawn")
        } catch { return .refused("unreadable record: \(error)") }
    }

    /// Whether `account` is still what its record says it was, and live: whoever was admitted to it may go on.
    func stillAdmits(_ account: Account, now: Timestamp) -> Bool {
        guard known[account.id] === account, account.ended == nil, account.record.isLive(at: now),
            let status = try? area.statusIfPresent(of: account.place)
        else { return false }
        return status == account.recordStatus
    }

    /// Whether an account is called `name`, whatever state it is in.
    func holds(_ name: [UInt8]) -> Bool {
        guard let id = AccountArea.account(directory: name) else { return false }
        // What cannot be looked at is refused as an account, not asked about as a customer.
        do {
            return try area.statusIfPresent(of: CPath("\(id.text)/\(AccountArea.record)")) != nil
        } catch {
            return true
        }
    }

    /// The account that was staged for `customer`, whose own password was right.
    func open(_ id: AccountID, of customer: CustomerName, now: Timestamp) -> Admission {
        do {
            guard let account = try current(id) else { return .refused("no such account") }
            guard account.record.customer == customer else { return .refused("it is another customer's") }
            guard account.ended == nil, account.record.isLive(at: now) else {
                return .refused("it has ended")
            }
            return .admitted(account)
        } catch { return .refused("unreadable record: \(error)") }
    }

    /// Checks a link (``AccountLink``) to `account`.
    package func admit(_ id: AccountID, link text: [UInt8], now: Timestamp) -> Admission {
        guard let link = AccountLink(text: text) else { return .refused("malformed link") }
        do {
            guard let account = try current(id) else { return .refused("no such account") }
            guard account.record.admits(link: link, at: now) else {
                return .refused(
                    !account.record.isLive(at: now)
                        ? "expired" : now < link.expires ? "wrong link" : "expired link")
            }
            return account.ended == nil ? .admitted(account) : .refused("withdrawn")
        } catch { return .refused("unreadable record: \(error)") }
    }

    /// The account as its record is now; nil when there is none.
    private func current(_ id: AccountID) throws -> Account? {
        let place = known[id]?.place ?? CPath("\(id.text)/\(AccountArea.record)")
        guard let status = try area.statusIfPresent(of: place) else { return nil }
        if let account = known[id], account.ended == nil, account.recordStatus == status {
            return account
        }
        let file = try area.open(
            place, [.read, .nonBlocking], rules: [.inRoot, .noSymbolicLinks, .noMagicLinks])
        let opened = try file.status()
        guard opened.kind == .file, let bytes = try file.readAll(limit: AccountRecord.sizeLimit) else {
            throw Failure(.corrupt, "it is not a file, or too large")
        }
        let record = try AccountRecord(bytes: bytes)
        guard record.account == id else { throw Failure(.corrupt, "it is another account's") }
        if let account = known[id], account.ended == nil {
            account.record = record
            account.recordStatus = opened
            return account
        }
        let index = try openIndex(of: id)
        let root = try area.open(
            CPath("\(id.text)/\(AccountArea.root)"), [.read, .directory],
            rules: [.inRoot, .noSymbolicLinks, .noMagicLinks, .noMounts])
        let account = Account(record: record, status: opened, root: root, index: index)
        account.idleSince = SystemClock.monotonic() / 1_000_000_000
        known[id] = account
        return account
    }

    private func openIndex(of id: AccountID) throws -> OpenFile? {
        do throws(SystemError) {
            let file = try area.open(
                CPath("\(id.text)/\(AccountArea.index)"), [.read, .nonBlocking],
                rules: [.inRoot, .noSymbolicLinks, .noMagicLinks])
            let status = try file.status()
            guard status.kind == .file else { return nil }
            return OpenFile(file, status)
        } catch {
            if error.errno == .noEntry { return nil }
            throw error
        }
    }

    /// Once a second: notices records that expired, changed or vanished, and forgets accounts nobody uses.
    package func watch(now: Timestamp, second: Int64) {
        for (id, account) in known {
            guard account.sessions > 0 else {
                if account.idleSince == 0 { account.idleSince = second }
                if second - account.idleSince > Self.keptSeconds { known[id] = nil }
                continue
            }
            account.idleSince = 0
            guard account.ended == nil else { continue }
            let status: FileStatus?
            // A record that cannot be looked at for a moment is no reason to cut a download: its own time still holds.
            do { status = try area.statusIfPresent(of: account.place) } catch {
                status = account.recordStatus
            }
            if status == nil {
                account.ended = ending(withdrawnPolicy(of: account), at: now)
                known[id] = nil
            } else if status != account.recordStatus {
                _ = try? current(id)
            }
            if account.ended == nil, !account.record.isLive(at: now) {
                account.ended = ending(account.record.policy, at: account.record.expires)
                known[id] = nil
            }
        }
    }

    /// A withdrawn account's record says by which policy (`stage.revoke` may have named another).
    private func withdrawnPolicy(of account: Account) -> ExpiryPolicy {
        let place = CPath("\(AccountArea.withdrawn)/\(account.id.text)/\(AccountArea.record)")
        guard let bytes = try? area.readFile(place, limit: AccountRecord.sizeLimit),
            let record = try? AccountRecord(bytes: bytes)
        else { return account.record.policy }
        return record.policy
    }

    private func ending(_ policy: ExpiryPolicy, at time: Timestamp) -> Account.Ending {
        switch policy {
        case .finish: .finish
        case .grace(let seconds): .until(time + Int64(seconds))
        case .cut: .cut
        }
    }
}
