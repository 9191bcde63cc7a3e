import FTPProtocol

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
func text(_ bytes: some Collection<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

/// Plays lines against a session machine the way the service does, for commands that need nothing but the machine.
struct Player {
    var machine: SessionMachine
    /// Passwords that are accepted.
    var password = "secret"
    /// The client's address.
    var peer = IPAddress(v4: 0xC000_0207)

    init(_ policy: SessionPolicy = SessionPolicy(), signedIn: Bool = false) {
        machine = SessionMachine(policy: policy)
        if signedIn {
            _ = self("USER acct")
            _ = self("PASS secret")
        }
    }

    /// The reply to `line` as text; `wait`, or `→ verb` for what the service would carry out.
    mutating func callAsFunction(_ line: String) -> String {
        switch machine.admit(bytes(line)) {
        case .wait: return "wait"
        case .refuse(let reply): return shown(reply)
        case .close(let reply): return shown(reply) + " ✕"
        case .run(let command): return run(command)
        }
    }

    private func shown(_ reply: Reply) -> String {
        text(reply.encoded).replacing("\r\n", with: "\n").dropLast().description
    }

    private mutating func run(_ command: Command) -> String {
        switch command.verb {
        case .user: return shown(machine.user(command.text))
        case .pass:
            guard machine.pass() != nil else { return shown(machine.passOutOfOrder) }
            if command.text == bytes(password) { return shown(machine.accepted()) }
            let (reply, closes) = machine.refused()
            return shown(reply) + (closes ? " ✕" : "")
        case .rein: return shown(machine.reinitialize())
        case .auth:
            let reply = machine.auth(command.text)
            if reply.code == 234 { machine.handshakeStarted(command.text) }
            return shown(reply)
        case .pbsz: return shown(machine.pbsz(command.number))
        case .prot: return shown(machine.prot(command.text))
        case .type: return shown(machine.type(command.text))
        case .stru: return shown(machine.structure(command.text))
        case .mode: return shown(machine.mode(command.text))
        case .rest: return shown(machine.rest(command.number))
        case .rang:
            guard case .range(let first, let last) = command.argument else { return "?" }
            return shown(machine.rang(first: first, last: last))
        case .port, .eprt:
            guard case .endpoint(let endpoint) = command.argument else { return "?" }
            return shown(machine.active(endpoint, peer: peer))
        case .pasv:
            if let refusal = machine.pasv() { return shown(refusal) }
            machine.passiveReady()
            return "→ PASV"
        case .epsv:
            guard case .extendedPassive(let wanted) = command.argument else { return "?" }
            if let reply = machine.epsv(wanted, family: .v4) { return shown(reply) }
            machine.passiveReady()
            return "→ EPSV"
        case .pwd: return shown(machine.printDirectory)
        case .cwd:
            guard let path = machine.directory.resolving(command.path ?? []) else { return "too long" }
            return shown(machine.changed(to: path))
        case .host: return shown(machine.host)
        case .feat: return shown(machine.feat)
        case .opts: return shown(machine.opts(command.text))
        case .help: return shown(machine.help(command.argument))
        case .lang: return shown(machine.lang(command.argument))
        case .stat: return shown(machine.status(peer: "192.0.2.7:50000"))
        default: return "→ \(command.verb.rawValue)"
        }
    }
}
