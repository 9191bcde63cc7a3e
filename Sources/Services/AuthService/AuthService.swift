import ChangeFeed
import Crypto
package import FFSModel
package import Logging
package import Requests
import SystemSupport
import Tobj

/// The master database's service: who may sign in, what they may have, and the operators' changes to both.
/// Its request table is served on the web-internal commlink and on the control socket.
package struct AuthService: Sendable {
    package let database: any MasterDatabase
    /// What long questions wait on; somebody has to run it.
    package let watch: CommitWatch
    let hosts: FeedHosts
    let authenticator: Authenticator
    let clock: @Sendable () -> Timestamp
    let logger: Logger

    package init(
        database: any MasterDatabase, hasher: PasswordHasher, settings: SignInSettings, logger: Logger,
        clock: @escaping @Sendable () -> Timestamp,
        steady: @escaping @Sendable () -> Int64 = SystemClock.sinceBoot
    ) {
        watch = CommitWatch(database, logger: logger, steady: steady)
        hosts = FeedHosts(now: steady())
        let database = WatchedDatabase(base: database, watch: watch)
        self.database = database
        self.clock = clock
        self.logger = logger
        authenticator = Authenticator(
            database: database, hasher: hasher, settings: settings, logger: logger, clock: clock)
    }

    /// Takes new settings without forgetting lock-outs' failures.
    package func apply(_ settings: SignInSettings) throws(Failure) { try authenticator.apply(settings) }

    /// Everything ffsauthd serves.
    package func requestTable(daemon: String, version: String) -> RequestTable {
        var table = RequestTable(daemon: daemon, version: version, clock: clock)
        addCustomerSide(to: &table)
        addContent(to: &table)
        addCustomers(to: &table)
        addEntitlements(to: &table)
        addHistoryAndNodes(to: &table)
        addFeed(to: &table)
        addOutbox(to: &table)
        return table
    }

    /// For the watchdog: returns once a hash thread has taken a job, a transaction has written, and one has read. What the
    /// database answers is not asked here: a full disk is no reason to be started anew.
    func prove() async {
        await authenticator.proveHashing()
        _ = try? await database.write { _ in }
        _ = try? await database.read { _ in }
    }

    /// What `ffsctl status` shows.
    package var counts: [DaemonStatus.Reply.Value] {
        Authenticator.Result.allCases.map {
            .init("logins " + $0.rawValue, authenticator.count(of: $0))
        } + [.init("logins waiting", authenticator.waiting)]
    }

    /// How long a reply is kept for a repeat of its request, in seconds (ffs-commlink(7)).
    package static let replyLifetime: Int64 = 86_400

    /// How long the change feed keeps a change that not every host has applied, in seconds: thirty days.
    package static let changeLifetime: Int64 = 30 * 86_400

    /// How long an order can be resumed, in seconds: an hour less than ffsstaged remembers ended accounts at least, so that
    /// no order gets a second account, even where the hosts' clocks differ.
    package static let resumable: Int64 = 82_800

    /// Drops the replies that no repeat can ask for any more.
    package func forgetOldReplies() async throws {
        let limit = clock() + -Self.replyLifetime
        try await database.write { try $0.forgetReplies(before: limit) }
    }

    /// Drops changes that every live host has applied, and old ones, a slice a transaction, so that orders do not wait for
    /// long.
    package func forgetOldChanges() async throws {
        let limit = clock() + -Self.changeLifetime
        let applied = hosts.acknowledged(now: watch.steady()) ?? []
        let slice: @Sendable (any MasterWriting) throws -> Int = { db in
            let floor = FeedTrim.floor(acknowledged: applied, head: try db.feedHead().number)
            return try db.forgetChanges(below: floor, before: limit, atMost: 5_000)
        }
        while try await database.write(slice) > 0 {}
    }

    /// How long an event stays here after it was made, in seconds, even when the log has it: long enough to fill a log anew
    /// that was restored from a backup.
    package static let eventLifetime: Int64 = 86_400

    /// Drops events that are in the log and old enough.
    package func forgetOldEvents() async throws {
        let limit = clock() + -Self.eventLifetime
        while try await database.write({ try $0.forgetEvents(before: limit, atMost: 5_000) }) > 0 {}
    }
}

extension AuthService {
    /// Runs a change in one transaction together with the record that it was made: when the same request comes again,
    /// even after a restart, it gets the first reply and changes nothing.
    func once<Message: RequestMessage>(
        _ message: Message, _ context: RequestContext,
        _ change: @escaping @Sendable (any MasterWriting) throws -> Message.Reply
    ) async throws -> Message.Reply {
        let fingerprint = Self.fingerprint(message)
        let now = clock()
        return try await database.write { db in
            if let earlier: Message.Reply = try Self.earlierReply(context.id, fingerprint, at: now, db) {
                return earlier
            }
            let reply = try change(db)
            try Self.remember(reply, to: message, context, at: now, db)
            return reply
        }
    }

    /// Keeps the reply for repeats, in the transaction that made it true.
    static func remember<Message: RequestMessage>(
        _ reply: Message.Reply, to message: Message, _ context: RequestContext, at now: Timestamp,
        _ db: any MasterWriting
    ) throws {
        let document = Document(request: Message.type.rawValue, id: context.id, trace: context.trace).reply(reply.body)
        try db.store(
            StoredReply(fingerprint: fingerprint(message), document: document.serialized(), at: now), to: context.id)
    }

    /// The reply this very request had before; nil when it is new.
    func repeated<Message: RequestMessage>(
        _ message: Message, _ context: RequestContext
    ) async throws -> Message.Reply? {
        let now = clock()
        return try await database.read { try Self.earlierReply(to: message, context, at: now, $0) }
    }

    static func earlierReply<Message: RequestMessage>(
        to message: Message, _ context: RequestContext, at now: Timestamp, _ db: any MasterReading
    ) throws -> Message.Reply? {
        try earlierReply(context.id, fingerprint(message), at: now, db)
    }

    private static func earlierReply<Reply: ReplyMessage>(
        _ id: RequestID, _ fingerprint: String, at now: Timestamp, _ db: any MasterReading
    ) throws -> Reply? {
        guard let stored = try db.storedReply(to: id), now - stored.at < replyLifetime else { return nil }
        guard stored.fingerprint == fingerprint else {
            throw Failure(.badRequest, "this request's id was another request's; every request needs an id of its own")
        }
        let document = try Document(bytes: stored.document)
        return try Reply(fields: Fields(try document.success(), of: document.type))
    }

    /// Without passwords: an unsalted digest of one would be worth stealing. Without generation and source: a repeat may come from
    /// the session after, and from another address.
    private static func fingerprint<Message: RequestMessage>(_ message: Message) -> String {
        let left: Set<String> = ["password", "new-password", "generation", "source"]
        var digest = SHA256()
        digest.update(data: Array(Message.type.rawValue.utf8))
        for element in message.body where !left.contains(element.name) { digest.update(data: element.serialized()) }
        return Hex.string(digest.finalize())
    }
}

/// What went wrong with a name, in the words every handler uses.
extension Failure {
    static func noCustomer(_ name: CustomerName) -> Failure {
        Failure(.notFound, "there is no customer \(name); `ffsctl customer list` shows all")
    }

    static func noProduct(_ name: ProductName) -> Failure {
        Failure(.notFound, "there is no product \(name); `ffsctl product list` shows all")
    }

    static func noVersion(_ item: Item) -> Failure {
        Failure(.notFound, "\(item.product) has no version \(item.version); `ffsctl product list` shows all")
    }
}
