import FTPProtocol
import TLSEngine

/// From command to handler. Exhaustive: a verb without a handler does not compile, and each handler gets the argument that
/// its grammar made. What may run now was decided by the command table.
extension ControlSession {
    func run(_ command: Command) {
        switch command {
        case .user(let name): user(name)
        case .pass(let password): pass(password)
        case .acct: reply(Reply(202, "Not needed."))
        case .rein: reinitialize()
        case .quit: quit()
        case .host(let name): reply(machine.host(name, serverName: stream.tls?.serverName, isOurs: isOurs))
        case .auth(let mechanism): auth(mechanism)
        case .pbsz: reply(machine.pbsz())
        case .prot(let level): reply(machine.prot(level))
        case .ccc: reply(machine.clearControl)
        case .lang(let tag): reply(machine.lang(tag))
        case .cwd(let path): changeDirectory(path)
        case .cdup: changeDirectory(Array("..".utf8))
        case .pwd: reply(machine.printDirectory)
        case .syst: reply(Reply(215, "UNIX Type: L8"))
        case .feat: reply(machine.feat)
        case .opts(let text): reply(machine.opts(text))
        case .help(let name): reply(machine.help(name))
        case .stat(let argument): status(argument)
        case .noop: reply(Reply(200, "OK."))
        case .site(let text): site(text)
        case .clnt(let text): named(text, "Noted.")
        case .csid(let text): named(text, "Name=FFS; CaseSensitive=1; DirSep=/;")
        case .active(let endpoint): active(endpoint)
        case .pasv: passive()
        case .epsv(let wanted): extendedPassive(wanted)
        case .type(let text): reply(machine.type(text))
        case .mode(let text): reply(machine.mode(text))
        case .stru(let text): reply(machine.structure(text))
        case .allo: reply(Reply(202, "Nothing is stored here."))
        case .rest(let offset): reply(machine.rest(offset))
        case .rang(let range): reply(machine.rang(range))
        case .abor: abort()
        case .retr(let path): retrieve(path)
        case .size(let path): size(path)
        case .mdtm(let path): modificationTime(path)
        case .mlst(let path): facts(path)
        case .mlsd(let path): listFacts(path)
        case .list(let argument): list(argument, .long)
        case .nlst(let argument): list(argument, .names)
        case .hash(let path): hash(path)
        case .digest(let algorithm, let argument): digest(argument, algorithm)
        case .avbl: reply(Reply(213, "0"))
        // The machine refuses these before they come here; this is the second lock on the same door.
        case .refused(let refusal): reply(refusal)
        }
    }
}
