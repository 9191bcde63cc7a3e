import FFSModel
import FTPProtocol

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
func text(_ bytes: some Collection<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

/// What the service would hold in a session's states.
final class Held: SessionAccount {
    let name: [UInt8]
    init(_ name: [UInt8] = []) { self.name = name }
}

typealias TestMachine = SessionMachine<Held, Held, Held>

/// Plays lines against a session machine the way the service does, for commands that need nothing but the machine.
struct Player {
    var machine: TestMachine
    /// Passwords that are accepted.
    var password = "secret"
    /// What TLS was asked for.
    var serverName: String?
    /// The client's address.
    var peer = IPAddress(v4: 0xC000_0207)

    init(_ policy: SessionPolicy = SessionPolicy(), signedIn: Bool = false) {
        machine = TestMachine(policy: policy)
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
        case .run(let command): return run(command, String(line.prefix { $0 != " " }).uppercased())
        }
    }

    private func shown(_ reply: Reply) -> String {
        text(reply.encoded).replacing("\r\n", with: "\n").dropLast().description
    }

    private mutating func run(_ command: Command, _ verb: String) -> String {
        switch command {
        case .user(let name): return shown(machine.user(name))
        case .pass(let given):
            guard let name = machine.pass() else { return shown(machine.passOutOfOrder) }
            if given == bytes(password) { return shown(machine.accepted(Held(name))) }
            let (reply, closes) = machine.refused()
            return shown(reply) + (closes ? " ✕" : "")
        case .rein: return shown(machine.reinitialize())
        case .auth(let mechanism):
            let reply = machine.auth(mechanism)
            if reply.code == 234 { machine.handshakeStarted(mechanism) }
            return shown(reply)
        case .pbsz: return shown(machine.pbsz())
        case .prot(let level): return shown(machine.prot(level))
        case .ccc: return shown(machine.clearControl)
        case .type(let text): return shown(machine.type(text))
        case .stru(let text): return shown(machine.structure(text))
        case .mode(let text): return shown(machine.mode(text))
        case .rest(let offset): return shown(machine.rest(offset))
        case .rang(let range): return shown(machine.rang(range))
        case .active(let endpoint): return shown(machine.active(endpoint, peer: peer))
        case .pasv:
            if let refusal = machine.pasv() { return shown(refusal) }
            machine.passiveReady()
            return "→ PASV"
        case .epsv(let wanted):
            if let reply = machine.epsv(wanted, family: .v4) { return shown(reply) }
            machine.passiveReady()
            return "→ EPSV"
        case .pwd: return shown(machine.printDirectory)
        case .cwd(let argument):
            guard let path = machine.directory.resolving(argument) else { return "too long" }
            return shown(machine.changed(to: path))
        case .host(let name):
            return shown(machine.host(name, serverName: serverName.map(bytes)) { $0 == IPAddress(v4: 0xC000_0201) })
        case .feat: return shown(machine.feat)
        case .opts(let text): return shown(machine.opts(text))
        case .help(let name): return shown(machine.help(name))
        case .lang(let tag): return shown(machine.lang(tag))
        case .stat: return shown(machine.status(peer: "192.0.2.7:50000"))
        default: return "→ \(verb)"
        }
    }
}
