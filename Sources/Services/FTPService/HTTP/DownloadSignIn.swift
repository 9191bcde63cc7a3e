import FFSModel
import FTPProtocol
import Logging
import HTTPDownload
import NIOCore
import NIOHTTP1
import SystemSupport
import TLSEngine
import StoredFormats

/// Whom the HTTPS side lets in: the account's login and password (Basic, RFC 7617), or a link that a page of FFS gave
/// out, in the address or in the cookie that the first answer to it sets.
extension DownloadHandler {
    /// After so many wrong passwords and links a connection is closed.
    private static let mostFailures = 5
    private static let cookie = "__Secure-ffs-link"
    /// Every refusal comes after the same time.
    private static let refusalTime = TimeAmount.milliseconds(500)

    private enum Proof {
        case password(BasicCredentials?)
        case link([UInt8])
        case cookie([UInt8])

        init?(_ head: HTTPRequestHead, _ target: Target) {
            if let field = head.headers.first(name: "authorization") {
                self = .password(BasicCredentials(Array(field.utf8)))
            } else if let link = target.link {
                self = .link(link)
            } else if let cookie = DownloadHandler.cookie(in: head.headers) {
                self = .cookie(cookie)
            } else {
                return nil
            }
        }
    }

    /// nil once a refusal is on its way. Refusals of one kind look and last the same, whatever the reason.
    func signIn(_ head: HTTPRequestHead, _ target: Target, _ context: ChannelHandlerContext) -> Account? {
        guard let proof = Proof(head, target) else {
            challenge(head, context)
            return nil
        }
        let admission: AccountStore.Admission
        switch proof {
        case .password(let given?) where given.user.elementsEqual(target.account.text.utf8):
            admission = admit(given)
        case .password: admission = .refused("other account")
        case .link(let text), .cookie(let text):
            admission = desk.accounts.admit(target.account, link: text, now: desk.time)
        }
        switch admission {
        case .admitted(let account):
            greet(account, head)
            return account
        case .refused(let reason): refuseLater(proof, reason, head, target, context)
        }
        return nil
    }

    private func admit(_ given: BasicCredentials) -> AccountStore.Admission {
        let lockOut = desk.ledger.lockOut(desk.settings.limits)
        let (address, now) = (connection.peer.address, SystemClock.monotonic())
        guard !lockOut.isLocked(given.user, from: address, now: now) else {
            return .refused("too many wrong passwords from this address")
        }
        let admission = desk.accounts.admit(name: given.user, password: given.password, now: desk.time)
        if case .refused(AccountStore.wrongPassword) = admission {
            lockOut.failed(given.user, from: address, now: now)
        }
        return admission
    }

    private func greet(_ account: Account, _ head: HTTPRequestHead) {
        guard connection.greets(account.id) else { return }
        desk.ledger.count(.httpsSignIns)
        var metadata = connection.metadata(account.id)
        metadata["tls"] = "\(connection.handshake.map { "\($0.version) \($0.cipher)" } ?? "-")"
        metadata["client"] = "\(printable(Array((head.headers.first(name: "user-agent") ?? "").utf8.prefix(64))))"
        desk.log.logger.info("signed in", metadata: metadata)
    }

    private func refuseLater(
        _ proof: Proof, _ reason: String, _ head: HTTPRequestHead, _ target: Target, _ context: ChannelHandlerContext
    ) {
        desk.ledger.count(.httpsSignInsRefused)
        var metadata = connection.metadata(target.account)
        metadata["why"] = "\(reason)"
        desk.log.logger.notice("sign-in refused", metadata: metadata)
        connection.failures += 1
        if connection.failures >= Self.mostFailures { keepsAlive = false }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Self.refusalTime) {
            let (me, context) = bound.value
            guard me.isAwaitingAnswer else { return }
            // A link's owner has no password to type; a cookie's may have.
            if case .link = proof { return me.refuse(.forbidden, head, context) }
            me.challenge(head, context)
        }
    }

    private func challenge(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        refuse(
            .unauthorized, head, context, [("www-authenticate", "Basic realm=\"FFS account\", charset=\"UTF-8\"")])
    }

    // MARK: Cookie

    /// Sent with the first answer to a link, so that the links of a directory's page need none.
    static func cookieField(_ target: Target, now: Timestamp) -> (String, String)? {
        guard let text = target.link, let link = AccountLink(text: text) else { return nil }
        let seconds = max(0, link.expires - now)
        return (
            "set-cookie",
            "\(cookie)=\(link.text); Path=/a/\(target.account)/; Max-Age=\(seconds); Secure; HttpOnly; SameSite=Lax"
        )
    }

    private static func cookie(in headers: HTTPHeaders) -> [UInt8]? {
        for field in headers[canonicalForm: "cookie"] {
            for pair in field.split(separator: ";") {
                let parts = pair.drop { $0 == " " }.split(separator: "=", maxSplits: 1)
                if parts.count == 2, parts[0] == cookie { return Array(parts[1].utf8) }
            }
        }
        return nil
    }
}
