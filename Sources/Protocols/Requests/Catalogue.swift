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
    /// ffsctl → a daemon on the same machine, over its UNIX socket; no key bag, the kernel names the peer.
    case control

    /// Whether it crosses hosts, and so has key bags.
    package var hasKeyBag: Bool { self != .control && self != .signIn }
}

/// Every request type and which links may send it: the table behind "anything else is refused and logged".
/// To add one: a case here, its fields in a file of this module, the client's call, the handler in the service's
/// request table (the compiler and ffs-commlink(7)'s check then ask for the rest).
package enum RequestType: String, Sendable, CaseIterable {
    case ping
    case authLogin = "auth.login"
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
    case daemonStatus = "daemon.status"
    case daemonReload = "daemon.reload"
    case ftpWho = "ftp.list"
    case ftpKick = "ftp.kick"
    case ftpDrain = "ftp.drain"
    case ftpRestart = "ftp.restart"
    case ftpLimits = "ftp.status"

    /// The links on which the request is served.
    package var links: Set<Link> {
        switch self {
        case .ping: Set(Link.allCases)
        case .authLogin, .authEntitlements, .authOrder: [.webInternal, .storageWeb, .control]
        case .authPassword: [.webInternal, .control]
        case .stageCreate, .stageStatus: [.webStorage, .signIn, .control]
        case .stageExtend, .stageRevoke, .stageList: [.webStorage, .control]
        case .contentRegister, .contentWithdraw, .customerCreate, .customerUpdate, .customerList, .customerDelete,
            .productUpdate, .productList, .entitlementGrant, .entitlementRevoke, .entitlementList, .orderList,
            .nodeRegister, .nodeList, .daemonStatus, .daemonReload, .ftpWho, .ftpKick, .ftpDrain, .ftpRestart,
            .ftpLimits:
            [.control]
        }
    }

    /// Whether the request may change something, so that its reply is worth remembering for long (ffs-commlink(7)).
    package var changes: Bool {
        switch self {
        case .ping, .authLogin, .authEntitlements, .stageStatus, .stageList, .customerList, .productList,
            .entitlementList, .orderList, .nodeList, .daemonStatus, .ftpWho, .ftpLimits:
            false
        case .authPassword, .authOrder, .stageCreate, .stageExtend, .stageRevoke, .contentRegister, .contentWithdraw,
            .customerCreate, .customerUpdate, .customerDelete, .productUpdate, .entitlementGrant, .entitlementRevoke,
            .nodeRegister, .daemonReload, .ftpKick, .ftpDrain, .ftpRestart:
            true
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
