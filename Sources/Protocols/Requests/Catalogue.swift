package import FFSModel
package import Tobj

/// Which pair of hosts a connection joins; each has its own key bag, except the local control socket.
package enum Link: String, Sendable, CaseIterable {
    /// Web front and relay → ffsauthd.
    case webInternal = "web-internal"
    /// Web front → ffsstaged.
    case webStorage = "web-storage"
    /// ffsftpd's gate → the relay in ffswebd, with a bag of its own: were it that of `web-storage`, whoever sits between
    /// the hosts could turn a conversation round and lead ffswebd's requests to the relay, or the gate's to ffsstaged.
    case storageWeb = "storage-web"
    /// ffsftpd's gate → ffsstaged on the same machine, over a UNIX socket; no key bag, the kernel names the peer.
    case signIn = "sign-in"
    /// ffspiped → ffsauthd on the same machine, over a UNIX socket; no key bag, the kernel names the peer.
    case pipe
    /// The relay → ffspiped on the internal host, which keeps the log.
    case webPipe = "web-pipe"
    /// ffsctl → a daemon on the same machine, over its UNIX socket; no key bag, the kernel names the peer.
    case control

    /// Whether it crosses hosts, and so has key bags.
    package var hasKeyBag: Bool { ![.control, .signIn, .pipe].contains(self) }
}

/// Every request type, and its row: which links may send it, which is the table behind "anything else is refused and logged".
/// To add one: a case here, its fields in a file of this module, the client's call, the handler in the service's
/// request table (the compiler and ffs-commlink(7)'s check then ask for the rest).
package enum RequestType: String, Sendable, CaseIterable {
    case ping
    case authLogin = "auth.login"
    case authSession = "auth.session"
    case authEntitlements = "auth.entitlements"
    case authPassword = "auth.password"
    case authOrder = "auth.order"
    case stageCreate = "stage.create"
    case stageExtend = "stage.extend"
    case stageRevoke = "stage.revoke"
    case stageStatus = "stage.status"
    case stageList = "stage.list"
    case contentRegister = "content.register"
    case contentWithdraw = "content.withdraw"
    case customerCreate = "customer.create"
    case customerUpdate = "customer.update"
    case customerList = "customer.list"
    case customerDelete = "customer.delete"
    case productUpdate = "product.update"
    case productList = "product.list"
    case entitlementGrant = "entitlement.grant"
    case entitlementRevoke = "entitlement.revoke"
    case entitlementList = "entitlement.list"
    case orderList = "order.list"
    case nodeRegister = "node.register"
    case nodeList = "node.list"
    case orderCheck = "order.check"
    case feedNext = "feed.next"
    case feedAcknowledge = "feed.acknowledge"
    case feedStatus = "feed.status"
    case outboxNext = "outbox.next"
    case outboxAcknowledge = "outbox.acknowledge"
    case pipePush = "pipe.push"
    case pipeStatus = "pipe.status"
    case deadList = "dead.list"
    case deadRetry = "dead.retry"
    case deadDrop = "dead.drop"
    case logList = "log.list"
    case logStatus = "log.status"
    case logReceipts = "log.receipts"
    case logCheckpoints = "log.checkpoints"
    case logWitness = "log.witness"
    case logCut = "log.cut"
    case ledgerList = "ledger.list"
    case ledgerReconcile = "ledger.reconcile"
    case daemonStatus = "daemon.status"
    case daemonReload = "daemon.reload"
    case ftpWho = "ftp.list"
    case ftpKick = "ftp.kick"
    case ftpDrain = "ftp.drain"
    case ftpRestart = "ftp.restart"
    case ftpLimits = "ftp.status"

    /// What the catalogue says of a type: the one table of all of them.
    package struct Row: Sendable {
        /// The links on which the request is served.
        package let links: Set<Link>
        package let repeats: Repeats
        /// Seconds that a client waits for the reply, other connections tried included.
        package let timeout: Int
        /// A question whose answer may be a while in coming, because it waits for news. It has a bound of its own and
        /// counts against none of those that keep work short; it changes nothing, each is a question of its own, and
        /// nobody waits for it when a connection or a daemon ends: its asker asks elsewhere.
        package let mayWait: Bool

        package init(links: Set<Link>, repeats: Repeats, timeout: Int = 120, mayWait: Bool = false) {
            self.links = links
            self.repeats = repeats
            self.timeout = timeout
            self.mayWait = mayWait
        }
    }

    /// What becomes of a request that comes again under its id (ffs-commlink(7)). While the first one runs, a repeat
    /// gets the same reply, except under `.known`.
    package enum Repeats: Sendable {
        /// It changes nothing: it is carried out again, and the answer is today's.
        case again
        /// It changes something: the reply is remembered for a day.
        case remembered
        /// The service finds by the id what it has done already, and whether that still stands.
        case known
    }

    package var row: Row {
        let auth: Set<Link> = [.webInternal, .storageWeb, .control]
        return switch self {
        case .ping: Row(links: Set(Link.allCases), repeats: .again, timeout: 30)
        case .authLogin, .authEntitlements: Row(links: auth, repeats: .again)
        case .authOrder: Row(links: auth, repeats: .known)
        case .authSession: Row(links: [.webInternal, .control], repeats: .again)
        case .authPassword: Row(links: [.webInternal, .control], repeats: .remembered)
        case .stageCreate: Row(links: [.webStorage, .signIn, .control], repeats: .known)
        case .stageStatus: Row(links: [.webStorage, .signIn, .control], repeats: .again)
        case .stageExtend, .stageRevoke: Row(links: [.webStorage, .control], repeats: .remembered)
        case .stageList: Row(links: [.webStorage, .control], repeats: .again)
        // Acknowledged is acknowledged, however often.
        case .feedNext: Row(links: auth, repeats: .again, timeout: 90, mayWait: true)
        case .feedAcknowledge, .orderCheck: Row(links: auth, repeats: .again)
        case .outboxNext: Row(links: [.pipe, .control], repeats: .again, timeout: 90, mayWait: true)
        case .outboxAcknowledge: Row(links: [.pipe, .control], repeats: .again)
        case .pipePush: Row(links: [.storageWeb, .webPipe], repeats: .again, timeout: 60)
        case .pipeStatus, .deadList: Row(links: [.control], repeats: .again)
        case .deadRetry, .deadDrop: Row(links: [.control], repeats: .remembered)
        case .customerList, .productList, .entitlementList, .orderList, .nodeList, .feedStatus, .daemonStatus, .ftpWho,
            .ftpLimits, .logList, .logStatus, .logReceipts, .logCheckpoints, .logWitness, .ledgerList, .ledgerReconcile:
            Row(links: [.control], repeats: .again)
        case .contentRegister, .contentWithdraw, .customerCreate, .customerUpdate, .customerDelete, .productUpdate,
            .entitlementGrant, .entitlementRevoke, .nodeRegister, .daemonReload, .ftpKick, .ftpDrain, .ftpRestart,
            .logCut:
            Row(links: [.control], repeats: .remembered)
        }
    }
}

/// The fields of one request type, and of its reply.
package protocol RequestMessage: Sendable {
    associatedtype Reply: ReplyMessage
    static var type: RequestType { get }
    /// Throws `bad-request` naming the field that is missing, unknown or malformed.
    init(fields: Fields) throws(Failure)
    var body: [Element] { get }
}

/// The fields of a reply.
package protocol ReplyMessage: Sendable {
    init(fields: Fields) throws(Failure)
    var body: [Element] { get }
}

/// A reply with no fields.
package struct Done: ReplyMessage {
    package init() {}
    package init(fields: Fields) throws(Failure) {}
    package var body: [Element] { [] }
}

/// Something that carries a request document to a daemon and brings the reply back:
/// a commlink connection pool, a control socket, or a service in the same process (tests).
package protocol RequestTransport: Sendable {
    /// Throws `unreachable` when no peer answered; an error reply is returned, not thrown.
    func exchange(_ request: Document) async throws(Failure) -> Document
}

extension RequestTransport {
    /// Sends `message` and returns its typed reply; throws what an error reply says.
    package func send<Message: RequestMessage>(
        _ message: Message, id: RequestID = .random(), trace: TraceID? = nil
    ) async throws(Failure) -> Message.Reply {
        let request = Document(request: Message.type.rawValue, id: id, trace: trace, body: message.body)
        let reply = try await exchange(request)
        guard reply.id == id else { throw Failure(.internal, "the peer answered another request's id") }
        let fields = Fields(try reply.success(), of: reply.type)
        return try Message.Reply(fields: fields)
    }
}
