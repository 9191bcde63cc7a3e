package import FFSModel

/// One control connection as RFC 959 §6 sees it: who is signed in, how data is to flow, what may run now.
/// Knows no sockets, files or clock; the service feeds it lines and results and carries out what it admits.
///
///     anonymous ──USER──▶ named ──PASS──▶ checking ──accepted──▶ signedIn
///         ▲                 │                 └──refused──▶ anonymous (three times: close)
///         └──── REIN, AUTH ─┴──────────────────────────────────────┘
///
/// Ours to add to the RFC's diagrams: USER is refused while signed in (REIN first), and AUTH signs out.
///
/// `Account`, `Transfer` and `Job` are the service's: who is signed in, what runs on a data connection, and what is read
/// for a reply. They are held here, in the states that have them, and nowhere else.
package struct SessionMachine<Account: SessionAccount, Transfer: AnyObject, Job: AnyObject> {
    private enum Access {
        case anonymous
        case named([UInt8])
        case checking([UInt8])
        case signedIn(Account)
    }

    /// The control connection's security (RFC 4217).
    private enum Security {
        case clear
        /// `buffer`: PBSZ was given. `data`: PROT P.
        case tls(buffer: Bool, data: Bool)
    }

    private enum Flow {
        case idle
        case transferring(Transfer)
        case reading(Job)
    }

    package let policy: SessionPolicy
    private var access = Access.anonymous
    private var security: Security
    private var flow = Flow.idle
    private var unknownVerbs = 0
    private var failedSignIns = 0
    package internal(set) var directory = VirtualPath.root
    package internal(set) var representation = Representation()
    /// OPTS MODE Z LEVEL.
    var deflateLevel = TransferMode.defaultLevel
    package internal(set) var restart = Restart.whole
    package internal(set) var dataSetup = DataSetup.none
    package internal(set) var isExtendedPassiveOnly = false
    package internal(set) var facts = FactSelection.default
    package internal(set) var hashAlgorithm = HashAlgorithm.sha256
    /// What HOST named; TLS must then be asked for the same name.
    var host: HostName?
    /// What CLNT or CSID said, printable; for the log.
    package internal(set) var client = ""

    /// After so many unknown verbs, or refused sign-ins, the connection is closed.
    package static var mostUnknownVerbs: Int { 10 }
    package static var mostFailedSignIns: Int { 3 }

    /// `implicitTLS`: the connection began with a TLS handshake (port 990), so PROT P is in force from the start.
    package init(policy: SessionPolicy, implicitTLS: Bool = false) {
        self.policy = policy
        security = implicitTLS ? .tls(buffer: true, data: policy.dataProtection != .off) : .clear
    }

    // MARK: Admission

    /// Decides what happens to one line.
    package mutating func admit(_ line: [UInt8]) -> Admission {
        let row: CommandRow
        let command: Command
        do { (row, command) = try Command.parse(line) } catch {
            return isTransferring ? .wait : refuse(error)
        }
        if isTransferring, row.duringTransfer == .waits { return .wait }
        if row.gate == .signedIn, !isSignedIn { return .refuse(Self.signInFirst) }
        if case .refused(let refusal) = command { return .refuse(refusal) }
        return .run(command)
    }

    private static var signInFirst: Reply { Reply(530, "Please sign in with USER and PASS.") }

    private mutating func refuse(_ refusal: Command.Refusal) -> Admission {
        switch refusal {
        case .argument(let verb, let error):
            let row = CommandTable.row(verb)
            if row.gate == .signedIn, !isSignedIn { return .refuse(Self.signInFirst) }
            return .refuse(error.reply(for: row))
        case .unknown:
            unknownVerbs += 1
            let reply = isSignedIn ? Reply(500, "Unknown command.") : Self.signInFirst
            return unknownVerbs < Self.mostUnknownVerbs ? .refuse(reply) : .close(reply)
        case .otherProtocol:
            return .close(isSignedIn ? Reply(500, "This is an FTP server.") : Self.signInFirst)
        }
    }

    // MARK: Sign-in

    package var isSignedIn: Bool { if case .signedIn = access { true } else { false } }

    /// Whether nobody has been named since the greeting, REIN or AUTH.
    var isAnonymous: Bool { if case .anonymous = access { true } else { false } }

    /// The account signed in to.
    package var account: Account? { if case .signedIn(let account) = access { account } else { nil } }

    /// USER.
    package mutating func user(_ name: [UInt8]) -> Reply {
        guard !isSignedIn else { return Reply(503, "Already signed in; REIN signs out.") }
        if policy.controlProtection == .require, !isProtected {
            return Reply(530, "Sign-in needs TLS here: AUTH TLS first.")
        }
        access = .named(name)
        return Reply(331, "Password, please.")
    }

    /// The name to check the password for; nil without USER, which gets ``userFirst``.
    package mutating func pass() -> [UInt8]? {
        guard case .named(let name) = access else { return nil }
        access = .checking(name)
        return name
    }

    package var passOutOfOrder: Reply { isSignedIn ? Reply(503, "Already signed in.") : Reply(503, "USER first.") }

    /// The password, or whoever checked it, let the client in.
    package mutating func accepted(_ account: Account) -> Reply {
        guard case .checking = access else { return Reply(503, "USER first.") }
        access = .signedIn(account)
        failedSignIns = 0
        return Reply(230, "Signed in.")
    }

    /// Nobody is signed in any more; who was.
    package mutating func signOut() -> Account? {
        defer { access = .anonymous }
        return account
    }

    /// One text for every reason: a wrong name, a wrong password, an expired and a revoked account look the same.
    package mutating func refused() -> (reply: Reply, closes: Bool) {
        access = .anonymous
        failedSignIns += 1
        return (Reply(530, "Login incorrect."), failedSignIns >= Self.mostFailedSignIns)
    }

    /// REIN: everything as after the greeting, except that TLS stays.
    ///
    /// RFC 4217 §11 would have it end with the session. A client that believes itself protected would then send its next
    /// password in clear, and whoever sits between needs no more than to make it believe so: as with CCC, there is no
    /// way back.
    package mutating func reinitialize() -> Reply {
        resetSession()
        host = nil
        if isProtected { security = .tls(buffer: false, data: false) }
        return Reply(220, policy.greeting)
    }

    private mutating func resetSession() {
        access = .anonymous
        directory = .root
        representation = Representation()
        deflateLevel = TransferMode.defaultLevel
        restart = .whole
        dataSetup = .none
        isExtendedPassiveOnly = false
        facts = .default
        hashAlgorithm = .sha256
    }

    // MARK: Security (RFC 4217)

    /// Whether the control connection is under TLS.
    package var isProtected: Bool { if case .tls = security { true } else { false } }

    /// Whether data connections are (PROT P).
    package var protectsData: Bool { if case .tls(_, data: true) = security { true } else { false } }

    /// CCC, RFC 4217 §12.3: there is no way back to clear text.
    package var clearControl: Reply {
        isProtected
            ? Reply(534, "The control connection stays protected.")
            : Reply(533, "The control connection is not protected.")
    }

    /// AUTH: 234 means: send it, then start the handshake and call ``handshakeStarted()``.
    package func auth(_ mechanism: [UInt8]) -> Reply {
        let name = String(decoding: mechanism, as: UTF8.self).uppercased()
        guard ["TLS", "TLS-C", "SSL", "TLS-P"].contains(name) else {
            return Reply(504, "AUTH TLS is supported.")
        }
        if policy.controlProtection == .off { return Reply(502, "This server has no TLS.") }
        if isProtected { return Reply(503, "Already under TLS.") }
        return Reply(234, "Go ahead with TLS.")
    }

    /// `AUTH SSL` and `AUTH TLS-P` imply PROT P (RFC 4217 §17, draft-murray-auth-ftp-ssl-07).
    package mutating func handshakeStarted(_ mechanism: [UInt8]) {
        let name = String(decoding: mechanism, as: UTF8.self).uppercased()
        resetSession()
        let implied = name == "SSL" || name == "TLS-P"
        security = .tls(buffer: false, data: implied && policy.dataProtection != .off)
    }

    /// PBSZ, RFC 4217 §8: 0 under TLS.
    package mutating func pbsz() -> Reply {
        guard case .tls(_, let data) = security else { return Reply(503, "AUTH TLS first.") }
        security = .tls(buffer: true, data: data)
        return Reply(200, "PBSZ=0")
    }

    /// PROT, RFC 4217 §9.
    package mutating func prot(_ level: [UInt8]) -> Reply {
        guard case .tls(let buffer, _) = security else { return Reply(503, "AUTH TLS first.") }
        guard buffer else { return Reply(503, "PBSZ 0 first.") }
        switch String(decoding: level, as: UTF8.self).uppercased() {
        case "P":
            guard policy.dataProtection != .off else { return Reply(534, "Data connections have no TLS here.") }
            security = .tls(buffer: true, data: true)
            return Reply(200, "Data connections are protected.")
        case "C":
            guard policy.dataProtection != .require else {
                return Reply(534, "Data connections need TLS here: PROT P.")
            }
            security = .tls(buffer: true, data: false)
            return Reply(200, "Data connections are not protected.")
        case "S", "E": return Reply(536, "PROT P and PROT C are supported.")
        default: return Reply(504, "PROT P and PROT C are supported.")
        }
    }

    // MARK: Transfers

    /// Whether something runs that commands wait for.
    package var isTransferring: Bool { if case .idle = flow { false } else { true } }

    /// What runs from 150 to the last reply.
    package var transfer: Transfer? { if case .transferring(let transfer) = flow { transfer } else { nil } }

    /// What is read for a reply to come.
    package var job: Job? { if case .reading(let job) = flow { job } else { nil } }

    /// Whether a data connection may be opened now; nil is yes.
    package func dataRefusal() -> Reply? {
        if policy.dataProtection == .require, !protectsData {
            return Reply(521, "Data connections need TLS here: PBSZ 0 and PROT P first.")
        }
        if dataSetup == .none { return Reply(425, "PASV, EPSV, PORT or EPRT first.") }
        return nil
    }

    /// What REST or RANG said, once: the next transfer is whole again.
    package mutating func takeRestart() -> Restart {
        defer { restart = .whole }
        return restart
    }

    /// 150 was said: only what may interrupt is run until the transfer ends.
    package mutating func transferStarted(_ transfer: Transfer) { flow = .transferring(transfer) }

    /// Commands wait as for a transfer, but no data connection is used.
    package mutating func jobStarted(_ job: Job) { flow = .reading(job) }
    package mutating func jobEnded() { flow = .idle }

    /// PASV's port and PORT's endpoint serve one transfer.
    package mutating func transferEnded() {
        flow = .idle
        dataSetup = .none
    }
}

/// Whom a session is signed in to.
package protocol SessionAccount: AnyObject {
    /// For STAT.
    var name: [UInt8] { get }
}

/// What may be done with a command now.
package enum Admission: Sendable, Hashable {
    case run(Command)
    /// A transfer runs: keep the line, and offer it again, in order, after the transfer.
    case wait
    case refuse(Reply)
    /// Send the reply, then close.
    case close(Reply)
}

/// How the next data connection comes about.
package enum DataSetup: Sendable, Hashable {
    case none, passive
    case active(Endpoint)
}

/// MODE.
package enum TransferMode: Sendable, Hashable {
    case stream
    case deflate(level: Int)

    static let defaultLevel = 6
    static let levels: ClosedRange<UInt64> = 1...9
}
