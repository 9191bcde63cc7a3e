import Events
import FFSModel
import FTPProtocol
import HTTPDownload
import Logging
import StoredFormats
import SystemSupport

/// Whom the HTTPS side lets in: the account's login and password (Basic, RFC 7617), or a link that a page of FFS gave
/// out, in the address or in the cookie that the first answer to it sets.
extension Exchange {
    private static let cookie = "__Secure-ffs-link"
    /// Every refusal comes after the same time.
    private static let refusalTime: Int64 = 500_000_000

    private enum Proof {
        case password(BasicCredentials?)
        case link([UInt8])
        case cookie([UInt8])

        init?(_ request: DownloadRequest, _ target: Target) {
            if let field = request.authorization {
                self = .password(BasicCredentials(field))
            } else if let link = target.link {
                self = .link(link)
            } else if let cookie = request.cookie(Exchange.cookie) {
                self = .cookie(cookie)
            } else {
                return nil
            }
        }
    }

    /// nil once a refusal is on its way. Refusals of one kind look and last the same, whatever the reason.
    func signIn(_ request: DownloadRequest, _ target: Target) -> Account? {
        if !connection.hasFailedTooOften, let account = connection.admitted?.account(request, target, desk) {
            return account
        }
        guard let proof = Proof(request, target) else {
            challenge(request)
            return nil
        }
        // The streams of one HTTP/2 connection could all try at once.
        guard !connection.hasFailedTooOften else {
            refuseLater(proof, "too many failures on this connection", request, target)
            return nil
        }
        let admission: ServedAccounts.Admission
        switch proof {
        case .password(let given?) where given.user.elementsEqual(target.account.text.utf8):
            admission = admit(target.account, given)
        case .password: admission = .refused("other account")
        case .link(let text), .cookie(let text):
            admission = desk.accounts.admit(target.account, link: text, now: desk.time)
        }
        switch admission {
        case .admitted(let account):
            guard greet(account, request) else {
                refuseUnrecorded(request)
                return nil
            }
            if let field = request.authorization {
                connection.admitted = AdmittedLogin(account, field, desk, from: connection.address)
            }
            return account
        case .refused(let reason): refuseLater(proof, reason, request, target)
        }
        return nil
    }

    private func admit(_ account: AccountID, _ given: BasicCredentials) -> ServedAccounts.Admission {
        let lockOut = desk.ledger.lockOut(desk.settings.limits)
        let (address, now) = (connection.address, SystemClock.monotonic())
        guard !lockOut.isLocked(given.user, from: address, now: now) else {
            return .refused("too many wrong passwords from this address")
        }
        let admission = desk.accounts.admit(account, password: given.password, now: desk.time)
        if case .refused(ServedAccounts.wrongPassword) = admission {
            lockOut.failed(given.user, from: address, now: now)
        }
        return admission
    }

    /// False when the journal does not take it.
    private func greet(_ account: Account, _ request: DownloadRequest) -> Bool {
        guard !connection.hasGreeted(account.id) else { return true }
        if case .refused = desk.recorder?.signedIn(account.subject(of: nil), place) { return false }
        connection.greets(account.id)
        desk.ledger.count(.httpsSignIns)
        var metadata = connection.metadata(account.id)
        metadata["tls"] = "\(connection.protection ?? "-")"
        metadata["client"] = "\(printable(request.userAgent.prefix(64)))"
        desk.log.logger.info("signed in", metadata: metadata)
        return true
    }

    private var place: LoginPlace {
        LoginPlace(peer: connection.peer, service: .https, session: connection.name, tls: connection.protection)
    }

    private func refuseLater(
        _ proof: Proof, _ reason: String, _ request: DownloadRequest, _ target: Target
    ) {
        desk.ledger.count(.httpsSignInsRefused)
        var metadata = connection.metadata(target.account)
        metadata["why"] = "\(reason)"
        desk.log.logger.notice("sign-in refused", metadata: metadata)
        desk.recorder?.refused(target.account.text.utf8, reason, place)
        connection.failed()
        later(Self.refusalTime) { [self] in
            // A link's owner has no password to type; a cookie's may have.
            if case .link = proof { return refuse(403, request) }
            challenge(request)
        }
    }

    private func challenge(_ request: DownloadRequest) {
        refuse(401, request, [("www-authenticate", "Basic realm=\"FFS account\", charset=\"UTF-8\"")])
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
}

/// Login and password that opened an account on a connection: what is sent again with each request need not be decoded
/// and digested again, as long as the account's record is the one they were compared with.
struct AdmittedLogin {
    private let account: Account
    private let record: FileStatus
    private let field: [UInt8]
    private let lockOut: AccountLockOut.Place

    fileprivate init(
        _ account: Account, _ field: [UInt8], _ desk: DownloadDesk, from address: IPAddress
    ) {
        self.account = account
        self.field = field
        record = account.recordStatus
        lockOut = desk.ledger.lockOut(desk.settings.limits).place(
            Array(account.id.text.utf8), from: address)
    }

    /// nil: the request has to be looked at as if it were the first.
    fileprivate func account(_ request: DownloadRequest, _ target: Target, _ desk: DownloadDesk)
        -> Account?
    {
        guard request.authorization == field, target.account == account.id,
            account.recordStatus == record,
            !desk.ledger.lockOut(desk.settings.limits).isLocked(lockOut, now: SystemClock.monotonic()),
            desk.accounts.stillAdmits(account, now: desk.time)
        else { return nil }
        return account
    }
}
