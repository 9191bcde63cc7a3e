import ChangeFeed
import DequeModule
import FFSModel
import HeapModule
import Requests
import StoredFormats
import Synchronization

/// What is known of living accounts in memory: enough to expire, count and list them. The area on disk has the rest.
final class AccountIndex: Sendable {
    fileprivate struct Entry {
        var expires: Int64
        let created: Int64
        let customer: CustomerName
        /// What a change could take away: nothing for an account without an order.
        let items: [Item]
        let isBound: Bool
        /// When the heap looks at it next; nil when nothing in the heap is this entry's.
        var queued: Int64?
    }

    /// A moment at which to look whether an account has expired.
    fileprivate struct Look: Comparable {
        let time: Int64
        let key: AccountKey
        static func < (a: Look, b: Look) -> Bool { a.time < b.time }
    }

    fileprivate struct Customer {
        var accounts = NewestFirst()
        /// Accounts on their way.
        var making = 0
        /// Accounts begun within the last hour, and how many of those came to nothing.
        var recent = 0
        var failed = 0

        var isIdle: Bool { accounts.count == 0 && making == 0 && recent == 0 && failed == 0 }
    }

    fileprivate struct State {
        var entries: [AccountKey: Entry] = [:]
        var accounts = NewestFirst()
        var customers: [CustomerName: Customer] = [:]
        var looks = Heap<Look>()
        /// Accounts begun within the last hour, by steady time.
        var begun = Deque<(time: Int64, customer: CustomerName)>()
        var isComplete = false
        /// Accounts of orders, by what they hold.
        var holders: [Item: Set<AccountKey>] = [:]
        /// Accounts of orders under the policy `cut`.
        var cut: Set<AccountKey> = []
    }

    private let state = Mutex(State())
    /// Living accounts of one customer, and creations in an hour; 0: no limit.
    private let customerLimit: Int
    private let hourLimit: Int

    init(customerLimit: Int, hourLimit: Int) {
        self.customerLimit = customerLimit
        self.hourLimit = hourLimit
    }

    var count: Int { state.withLock { $0.entries.count } }

    // MARK: - Quotas

    /// Counts a new account of `customer`, which ``add(_:)`` or ``giveBack(_:)`` must follow. While the area is still
    /// being read, accounts that were not seen yet are not counted.
    ///
    /// - Parameter now: seconds on a clock that does not step.
    /// - Throws: `no-space` when the customer has as many accounts as one may have, `busy` when they come too fast.
    func reserve(for customer: CustomerName, now: Int64) throws(Failure) {
        try state.withLock { state throws(Failure) in
            while let first = state.begun.first, first.time <= now - 3_600 {
                state.begun.removeFirst()
                state.change(first.customer) { if $0.failed > 0 { $0.failed -= 1 } else { $0.recent -= 1 } }
            }
            let known = state.customers[customer] ?? Customer()
            if customerLimit > 0, known.accounts.count + known.making >= customerLimit {
                throw Failure(
                    .noSpace,
                    "\(customer) has \(customerLimit) accounts here, as many as one customer may have (staging.accounts-per-customer); revoke one, or wait until one expires"
                )
            }
            if hourLimit > 0, known.recent >= hourLimit {
                throw Failure(
                    .busy,
                    "\(customer) was given \(hourLimit) accounts within an hour, as many as one customer may have (staging.accounts-per-hour); use one that is there, or wait",
                    retryAfter: max(1, 3_600 / hourLimit))
            }
            state.change(customer) { known in
                known.making += 1
                if hourLimit > 0 { known.recent += 1 }
            }
            if hourLimit > 0 { state.begun.append((now, customer)) }
        }
    }

    /// The account that was reserved has come to nothing.
    func giveBack(_ customer: CustomerName) {
        state.withLock { state in
            state.change(customer) { known in
                known.making -= 1
                guard known.recent > 0 else { return }
                known.recent -= 1
                known.failed += 1
            }
        }
    }

    /// The account that was reserved is published.
    func addReserved(_ record: AccountRecord) {
        add(record)
        state.withLock { state in state.change(record.customer) { $0.making -= 1 } }
    }

    // MARK: - Accounts

    /// Adds a living account, or notes its new expiry.
    func add(_ record: AccountRecord) {
        state.withLock { state in
            let key = AccountKey(record.account)
            let created = record.created.seconds
            if state.entries[key] == nil {
                let place = NewestFirst.Place(created: created, key: key)
                state.accounts.insert(place)
                state.change(record.customer) { $0.accounts.insert(place) }
                let isBound = record.order > 0
                state.entries[key] = Entry(
                    expires: 0, created: created, customer: record.customer, items: isBound ? record.items : [],
                    isBound: isBound, queued: nil)
                if isBound {
                    for item in record.items { state.holders[item, default: []].insert(key) }
                    if record.policy == .cut { state.cut.insert(key) }
                }
            }
            state.entries[key]?.expires = record.expires.seconds
            state.look(at: key, record.expires.seconds)
        }
    }

    func remove(_ account: AccountID) {
        state.withLock { state in
            let key = AccountKey(account)
            guard let entry = state.entries.removeValue(forKey: key) else { return }
            let place = NewestFirst.Place(created: entry.created, key: key)
            state.accounts.remove(place)
            state.change(entry.customer) { $0.accounts.remove(place) }
            state.cut.remove(key)
            for item in entry.items {
                state.holders[item]?.remove(key)
                if state.holders[item]?.isEmpty == true { state.holders[item] = nil }
            }
        }
    }

    /// The publication of an account that was reserved has been taken back: it is one that is being made again.
    func takeBack(_ record: AccountRecord) {
        remove(record.account)
        state.withLock { state in state.change(record.customer) { $0.making += 1 } }
    }

    /// The area has been read to its end: what is not here does not exist.
    func markComplete() { state.withLock { $0.isComplete = true } }
    var isComplete: Bool { state.withLock { $0.isComplete } }

    func contains(_ account: AccountID) -> Bool { state.withLock { $0.entries[AccountKey(account)] != nil } }

    /// Accounts that were made for an order.
    var boundAccounts: [AccountID] { state.withLock { $0.entries.filter(\.value.isBound).keys.map(\.account) } }

    /// Those of them that may not outlive the lease.
    var cutAccounts: [AccountID] { state.withLock { $0.cut.map(\.account) } }

    /// Accounts of orders that a change may have ended: whoever gets something new loses nothing by it.
    func accounts(touchedBy row: FeedRow) -> [AccountID] {
        guard row.operation != .insert else { return [] }
        let product = row[.product].flatMap { try? ProductName($0) }
        return state.withLock { state in
            switch row.entity {
            case .customer: state.accounts(of: row[.customer], where: { $0.isBound })
            case .entitlement:
                state.accounts(
                    of: row[.customer], where: { entry in entry.items.contains { $0.product == product } })
            case .version: row.item.flatMap { state.holders[$0] }.map { $0.map(\.account) } ?? []
            case .product where row.operation == .delete:
                state.holders.filter { $0.key.product == product }.flatMap { $0.value.map(\.account) }
            // A product's texts, a content's size, hosts and persons decide nothing about an account.
            default: []
            }
        }
    }

    /// Up to `limit` accounts whose time has come. They stay listed until removed, and are not named again before
    /// ``retry(_:at:)`` says so.
    func expired(at now: Timestamp, limit: Int) -> [AccountID] {
        state.withLock { state in
            var due: [AccountID] = []
            while due.count < limit, let first = state.looks.min, first.time <= now.seconds {
                state.looks.removeMin()
                guard let entry = state.entries[first.key], entry.queued == first.time else { continue }
                state.entries[first.key]?.queued = nil
                if entry.expires <= now.seconds {
                    due.append(first.key.account)
                } else {
                    state.look(at: first.key, entry.expires)
                }
            }
            return due
        }
    }

    /// Has `account`, which could not be ended, named by ``expired(at:limit:)`` once more.
    func retry(_ account: AccountID, at time: Timestamp) {
        state.withLock { $0.look(at: AccountKey(account), time.seconds) }
    }

    /// Moments that wait for their time; no more than accounts, whatever is extended how often.
    var waitingLooks: Int { state.withLock { $0.looks.count } }

    /// The newest accounts of `customer`, or of all, of those older than `after`; and how many there are in all. nil
    /// while the area is still being read.
    func page(
        customer: CustomerName?, after: StageList.Place?, limit: Int
    ) -> (accounts: [AccountID], count: Int)? {
        state.withLock { state in
            guard state.isComplete else { return nil }
            let accounts = customer.map { state.customers[$0]?.accounts ?? NewestFirst() } ?? state.accounts
            let last = after.map { NewestFirst.Place(created: $0.created.seconds, key: AccountKey($0.account)) }
            return (accounts.page(after: last, limit: limit).map(\.key.account), accounts.count)
        }
    }
}

extension AccountIndex.State {
    fileprivate func accounts(of customer: String?, where isHeld: (AccountIndex.Entry) -> Bool) -> [AccountID] {
        guard let name = customer.flatMap({ try? CustomerName($0) }), let known = customers[name] else { return [] }
        return known.accounts.page(after: nil, limit: .max).map(\.key).filter { entries[$0].map(isHeld) ?? false }
            .map(\.account)
    }

    /// Changes what is known of a customer; forgets one of whom nothing is left.
    fileprivate mutating func change(_ name: CustomerName, _ body: (inout AccountIndex.Customer) -> Void) {
        body(&customers[name, default: AccountIndex.Customer()])
        if customers[name]?.isIdle == true { customers[name] = nil }
    }

    /// Has the account looked at no later than `time`: an account that is extended keeps the look it has.
    fileprivate mutating func look(at key: AccountKey, _ time: Int64) {
        guard let entry = entries[key], entry.queued.map({ time < $0 }) ?? true else { return }
        entries[key]?.queued = time
        looks.insert(AccountIndex.Look(time: time, key: key))
    }
}
