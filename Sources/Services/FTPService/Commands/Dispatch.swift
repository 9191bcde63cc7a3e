import FTPProtocol

/// From verb to handler. Exhaustive: a verb without a handler does not compile. What may run now, and with what kind of
/// argument, was decided by the command table.
extension ControlSession {
    func run(_ command: Command) {
        switch command.verb {
        case .user: user(command.text)
        case .pass: pass(command.text)
        case .acct: reply(Reply(202, "Not needed."))
        case .rein: reinitialize()
        case .quit: quit()
        case .host: reply(machine.host)
        case .auth: auth(command.text)
        case .pbsz: reply(machine.pbsz(command.number))
        case .prot: reply(machine.prot(command.text))
        case .ccc: reply(Reply(534, "The control connection stays protected."))
        case .lang: reply(machine.lang(command.argument))
        case .cwd: changeDirectory(command.path)
        case .cdup: changeDirectory(Array("..".utf8))
        case .pwd: reply(machine.printDirectory)
        case .syst: reply(Reply(215, "UNIX Type: L8"))
        case .feat: reply(machine.feat)
        case .opts: reply(machine.opts(command.text))
        case .help: reply(machine.help(command.argument))
        case .stat: status(command.argument)
        case .noop: reply(Reply(200, "OK."))
        case .site: site(command.text)
        case .clnt, .csid: named(command)
        case .port, .eprt: active(command.argument)
        case .pasv: passive()
        case .epsv: extendedPassive(command.argument)
        case .type: reply(machine.type(command.text))
        case .mode: reply(machine.mode(command.text))
        case .stru: reply(machine.structure(command.text))
        case .allo: reply(Reply(202, "Nothing is stored here."))
        case .rest: reply(machine.rest(command.number))
        case .rang: range(command.argument)
        case .abor: abort()
        case .retr: retrieve(command.path)
        case .size: size(command.path)
        case .mdtm: modificationTime(command.path)
        case .mlst: facts(command.path)
        case .mlsd: listFacts(command.path)
        case .list: list(command.argument)
        case .nlst: names(command.argument)
        case .hash: hash(command.path)
        case .xcrc: digest(command.argument, .crc32)
        case .xmd5: digest(command.argument, .md5)
        case .xsha1: digest(command.argument, .sha1)
        case .xsha256: digest(command.argument, .sha256)
        case .xsha512: digest(command.argument, .sha512)
        case .avbl: reply(Reply(213, "0"))
        case .stor, .stou, .appe, .dele, .rmd, .mkd, .rnfr, .rnto, .mfmt, .mfct, .mff, .smnt, .adat, .mic, .conf, .enc:
            // The table refuses these before they come here; this is the second lock on the same door.
            reply(CommandTable.row(command.verb).refusal ?? Reply(502, "Not served."))
        }
    }
}
