import FFSModel
import Requests
import Synchronization

/// What a request knows about who makes it.
struct Session: Sendable {
    let customer: CustomerName
    let displayName: String
    /// Of the sign-in; ffsauthd tells by it whether the session still stands.
    let generation: Int
    let opened: SessionStore.Moment
}

/// Sessions, in this process's memory and nowhere else: a restart signs everyone out, a stolen disk holds nobody.
final class SessionStore: Sendable {
    /// Seconds of a clock that nobody sets.
    typealias Moment = Int64

    struct Limits: Sendable {
        /// Seconds without a request.
        var idle: Int64
        /// Seconds since sign-in.
        var lifetime: Int64
        var sessions: Int
        /// The oldest gives way to a customer's next.
        var perCustomer = 64
    }

    /// A sentence for the next page, after a redirect.
    enum Notice: Sendable, Hashable {
        case passwordChanged
        case accountRevoked(AccountID)
        case accountExtended(AccountID)
    }

    private struct Entry {
        var session: Session
        var lastUsed: Moment
        /// Passwords of accounts that this session made and has not yet seen.
        var unseen: [(account: AccountID, password: String)] = []
        /// The account that this session's last post made or changed, for the page that the browser asks for next.
        var fresh: (account: StagedAccount, until: Moment)?
        var notice: Notice?
    }

    /// The entries, and which of them are whose.
    private struct Table {
        var limits: Limits
        private(set) var entries: [SessionToken.Key: Entry] = [:]
        private var keys: [CustomerName: Set<SessionToken.Key>] = [:]

        init(_ limits: Limits) { self.limits = limits }

        /// Changes an entry in place; an entry that is not there stays so.
        subscript(key: SessionToken.Key) -> Entry? {
            get { entries[key] }
            set {
                if let newValue {
                    keys[newValue.session.customer, default: []].insert(key)
                    entries[key] = newValue
                } else if let old = entries.removeValue(forKey: key) {
                    keys[old.session.customer]?.remove(key)
                    if keys[old.session.customer]?.isEmpty == true { keys[old.session.customer] = nil }
                }
            }
        }

        func keys(of customer: CustomerName) -> Set<SessionToken.Key> { keys[customer] ?? [] }

        mutating func modify<Result>(_ key: SessionToken.Key, _ change: (inout Entry) -> Result?) -> Result? {
            guard var entry = entries[key] else { return nil }
            defer { entries[key] = entry }
            return change(&entry)
        }
    }

    private let table: Mutex<Table>

    init(limits: Limits) { table = Mutex(Table(limits)) }

    /// Other limits, for the sessions there are as well.
    func apply(_ limits: Limits) { table.withLock { $0.limits = limits } }

    var count: Int { table.withLock { $0.entries.count } }

    /// A new session under a new token. Throws `busy` when the table is full even after a sweep.
    func open(
        _ customer: CustomerName, displayName: String, generation: Int, at now: Moment
    ) throws(Failure) -> SessionToken {
        let token = SessionToken.random()
        let key = token.key
        let opened = table.withLock { table -> Bool in
            if table.entries.count >= table.limits.sessions { sweep(&table, at: now) }
            guard table.entries.count < table.limits.sessions else { return false }
            let own = table.keys(of: customer)
            if own.count >= table.limits.perCustomer {
                let oldest = own.min { (table[$0]?.lastUsed ?? 0) < (table[$1]?.lastUsed ?? 0) }
                if let oldest { table[oldest] = nil }
            }
            let session = Session(
                customer: customer, displayName: displayName, generation: generation, opened: now)
            table[key] = Entry(session: session, lastUsed: now)
            return true
        }
        guard opened else {
            throw Failure(.busy, "too many sessions are open; raise web.sessions if this lasts", retryAfter: 60)
        }
        return token
    }

    /// The live session of `token`, now used.
    func use(_ token: SessionToken, at now: Moment) -> Session? {
        let key = token.key
        return table.withLock { table in
            guard let entry = table[key] else { return nil }
            guard isLive(entry, table.limits, at: now) else {
                table[key] = nil
                return nil
            }
            return table.modify(key) {
                $0.lastUsed = now
                return $0.session
            }
        }
    }

    func close(_ token: SessionToken) {
        let key = token.key
        table.withLock { $0[key] = nil }
    }

    /// Ends every session of `customer` but `kept`.
    func closeAll(of customer: CustomerName, but kept: SessionToken?) {
        let keptKey = kept?.key
        table.withLock { table in
            for key in table.keys(of: customer) where key != keptKey { table[key] = nil }
        }
    }

    /// Moves a session to a fresh token and to `generation`, after a change of password. nil when it has ended meanwhile.
    func renew(_ token: SessionToken, generation: Int) -> SessionToken? {
        let fresh = SessionToken.random()
        let (old, new) = (token.key, fresh.key)
        return table.withLock { table in
            guard var entry = table[old] else { return nil }
            table[old] = nil
            entry.session = Session(
                customer: entry.session.customer, displayName: entry.session.displayName, generation: generation,
                opened: entry.session.opened)
            table[new] = entry
            return fresh
        }
    }

    /// Keeps `account` for the page that the browser is sent to, and its password for the one page that shows it.
    func keep(_ account: StagedAccount, for token: SessionToken, at now: Moment) {
        let key = token.key
        table.withLock { table in
            _ = table.modify(key) { entry -> Void? in
                entry.fresh = (account.withoutPassword, now + Self.freshSeconds)
                guard let password = account.password else { return nil }
                entry.unseen.removeAll { $0.account == account.account }
                entry.unseen.append((account.account, password))
                // Nobody leaves more result pages unopened than this.
                if entry.unseen.count > 16 { entry.unseen.removeFirst() }
                return nil
            }
        }
    }

    /// How long a redirected browser may take to ask for its page without the storage host being asked again.
    private static let freshSeconds: Moment = 10

    /// The account as the post just before left it, once; nil for any other.
    func takeFresh(_ account: AccountID, for token: SessionToken, at now: Moment) -> StagedAccount? {
        let key = token.key
        return table.withLock { table in
            table.modify(key) { entry in
                guard let fresh = entry.fresh, fresh.account.account == account else { return nil }
                entry.fresh = nil
                return now < fresh.until ? fresh.account : nil
            }
        }
    }

    /// The password of `account`, the first time this session asks for it.
    func takePassword(of account: AccountID, for token: SessionToken) -> String? {
        let key = token.key
        return table.withLock { table in
            table.modify(key) { entry in
                guard let index = entry.unseen.firstIndex(where: { $0.account == account }) else { return nil }
                return entry.unseen.remove(at: index).password
            }
        }
    }

    func leave(_ notice: Notice, for token: SessionToken) {
        let key = token.key
        table.withLock { table in
            _ = table.modify(key) { entry -> Void? in
                entry.notice = notice
                return nil
            }
        }
    }

    func takeNotice(for token: SessionToken) -> Notice? {
        let key = token.key
        return table.withLock { table in
            table.modify(key) { entry in
                defer { entry.notice = nil }
                return entry.notice
            }
        }
    }

    /// Forgets what has ended, with the passwords it still held.
    func sweep(at now: Moment) { table.withLock { sweep(&$0, at: now) } }

    private func sweep(_ table: inout Table, at now: Moment) {
        for (key, entry) in table.entries {
            if !isLive(entry, table.limits, at: now) {
                table[key] = nil
            } else if let fresh = entry.fresh, fresh.until <= now {
                table[key]?.fresh = nil
            }
        }
    }

    private func isLive(_ entry: Entry, _ limits: Limits, at now: Moment) -> Bool {
        now - entry.lastUsed < limits.idle && now - entry.session.opened < limits.lifetime
    }
}

extension StagedAccount {
    fileprivate var withoutPassword: StagedAccount {
        StagedAccount(
            account: account, password: nil, customer: customer, items: items, created: created, expires: expires,
            policy: policy, order: order, fileCount: fileCount, bytes: bytes, files: files, link: link,
            certificate: certificate)
    }
}
