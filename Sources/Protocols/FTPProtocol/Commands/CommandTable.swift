/// The commands as data: grammar, gate, FEAT lines, help. Dispatch, HELP, FEAT and the check of ffsftpd(8) read it.
package enum CommandTable {
    /// Every verb has one.
    package static func row(_ verb: Verb) -> CommandRow { byVerb[verb] ?? rows[0] }

    private static let byVerb = Dictionary(uniqueKeysWithValues: rows.map { ($0.verb, $0) })

    package static let rows: [CommandRow] = access + session + data + read + refused

    private static let access: [CommandRow] = [
        .init(.user, .access, "<account>", "Names the account to sign in to.", gate: .always, Grammar.text) {
            .user($0)
        },
        .init(.pass, .access, "<password>", "Gives its password.", gate: .always, Grammar.anything) { .pass($0) },
        .init(.acct, .access, "<text>", "Accepted and not needed.", gate: .always, Grammar.text) { _ in .acct },
        .none(.rein, .access, "Signs out; the connection and its TLS stay.", gate: .always, .rein),
        .none(.quit, .access, "Ends the session, after a running transfer.", gate: .always, .quit),
        .init(
            .host, .access, "<name>", "Names the host wanted (RFC 7151), before USER.", gate: .always,
            features: ["HOST"], Grammar.host
        ) { .host($0) },
        .init(
            .auth, .access, "TLS|TLS-C|SSL|TLS-P", "Starts TLS on the control connection (RFC 4217).", gate: .always,
            Grammar.text
        ) { .auth($0) },
        .init(.pbsz, .access, "0", "Protection buffer size; 0 under TLS.", gate: .always, Grammar.number) { _ in .pbsz
        },
        .init(.prot, .access, "P|C", "Protects data connections, or not.", gate: .always, Grammar.text) { .prot($0) },
        .none(.ccc, .access, "Refused: the control connection stays protected.", gate: .always, .ccc),
        .init(
            .lang, .access, "[en]", "Language of replies (RFC 2640).", gate: .always, features: ["LANG EN*"],
            Grammar.optional
        ) { .lang($0) },
    ]

    private static let session: [CommandRow] = [
        .init(.cwd, .session, "<path>", "Changes the directory. Also XCWD.", Grammar.text) { .cwd($0) },
        .none(.cdup, .session, "Changes to the parent directory. Also XCUP.", .cdup),
        .none(.pwd, .session, "Prints the directory. Also XPWD.", .pwd),
        .none(.syst, .session, "Names the kind of system whose listings look like ours.", gate: .always, .syst),
        .none(.feat, .session, "Lists extensions (RFC 2389).", gate: .always, .feat),
        .init(
            .opts, .session, "<command> [<options>]", "Sets options of UTF8, MLST, HASH and MODE Z.", gate: .always,
            Grammar.text
        ) { .opts($0) },
        .init(.help, .session, "[<command>]", "Lists commands, or explains one.", gate: .always, Grammar.optional) {
            .help($0)
        },
        .init(
            .stat, .session, "[<path>]", "Session or transfer status; with a path, its listing.", duringTransfer: .now,
            Grammar.status
        ) { .stat($0) },
        .init(.noop, .session, "", "Does nothing; keeps the session alive.", gate: .always, Grammar.anything) { _ in
            .noop
        },
        .init(.site, .session, "HELP|WHO", "Commands of this site; CHMOD and UTIME are refused.", Grammar.text) {
            .site($0)
        },
        .init(
            .clnt, .session, "<name>", "The client names itself, for the log.", gate: .always, features: ["CLNT"],
            Grammar.text
        ) { .clnt($0) },
        .init(
            .csid, .session, "Name=<name>; …", "Client and server name themselves.", gate: .always, features: ["CSID"],
            Grammar.text
        ) { .csid($0) },
    ]

    private static let data: [CommandRow] = [
        .init(
            .port, .data, "h1,h2,h3,h4,p1,p2", "Data goes to this IPv4 address and port: the client's own.",
            Grammar.hostPort
        ) { .active($0) },
        .init(
            .eprt, .data, "|1|<address>|<port>|", "The same for IPv4 (1) and IPv6 (2) (RFC 2428).", features: ["EPRT"],
            Grammar.extendedHostPort
        ) { .active($0) },
        .none(.pasv, .data, "Opens a port for data, IPv4.", .pasv),
        .init(
            .epsv, .data, "[1|2|ALL]", "Opens a port for data, IPv4 and IPv6.", features: ["EPSV"],
            Grammar.extendedPassive
        ) { .epsv($0) },
        .init(.type, .data, "A [N]|I|L 8", "Representation: text with CRLF line ends, or bytes.", Grammar.text) {
            .type($0)
        },
        .init(
            .mode, .data, "S|Z", "Transfer mode: stream, or deflated (draft-preston-ftpext-deflate).",
            features: ["MODE Z"], Grammar.text
        ) { .mode($0) },
        .init(.stru, .data, "F|R", "File structure: file, or records ended by newline.", Grammar.text) { .stru($0) },
        .init(.allo, .data, "<size> [R <size>]", "Not needed by a server that stores nothing.", Grammar.allocation) {
            .allo
        },
        .init(
            .rest, .data, "<offset>", "Where the next RETR or HASH starts.", features: ["REST STREAM"], Grammar.offset
        ) { .rest($0) },
        .init(
            .rang, .data, "<first> <last>", "The bytes that the next RETR or HASH covers; 1 0 resets.",
            features: ["RANG STREAM"], Grammar.range
        ) { .rang($0) },
        .none(.abor, .data, "Stops the transfer.", duringTransfer: .now, .abor),
    ]

    private static let read: [CommandRow] = [
        .init(.retr, .read, "<path>", "Sends a file.", Grammar.text) { .retr($0) },
        .init(.size, .read, "<path>", "Size in bytes (RFC 3659); TYPE I.", features: ["SIZE"], Grammar.text) {
            .size($0)
        },
        .init(.mdtm, .read, "<path>", "Time of last change, UTC (RFC 3659).", features: ["MDTM"], Grammar.text) {
            .mdtm($0)
        },
        .init(.mlst, .read, "[<path>]", "Facts about one name, on the control connection (RFC 3659).", Grammar.optional)
        { .mlst($0) },
        .init(.mlsd, .read, "[<path>]", "Facts about a directory's names (RFC 3659).", Grammar.optional) { .mlsd($0) },
        .init(
            .list, .read, "[<path>]", "Listing as by ls -l; * ? [ ] match in the last name; -R recurses.", Grammar.list
        ) { .list($0) },
        .init(
            .nlst, .read, "[<path>]", "Names alone, as RETR takes them; * ? [ ] match in the last name.", Grammar.list
        ) { .nlst($0) },
        .init(.hash, .read, "<path>", "Digest of a file or range (draft-bryan-ftpext-hash).", Grammar.text) {
            .hash($0)
        },
        .digest(.xcrc, "CRC-32 of a file or range.", .crc32),
        .digest(.xmd5, "MD5 of a file or range.", .md5),
        .digest(.xsha1, "SHA-1 of a file or range. Also XSHA.", .sha1),
        .digest(.xsha256, "SHA-256 of a file or range.", .sha256),
        .digest(.xsha512, "SHA-512 of a file or range.", .sha512),
        .init(.avbl, .read, "[<path>]", "Bytes available for uploads: 0.", features: ["AVBL"], Grammar.anything) { _ in
            .avbl
        },
    ]

    private static let readOnly = "This server is read-only."

    private static let refused: [CommandRow] = [
        .refused(.stor, "<path>", 550, readOnly),
        .refused(.stou, "", 550, readOnly),
        .refused(.appe, "<path>", 550, readOnly),
        .refused(.dele, "<path>", 550, readOnly),
        .refused(.rmd, "<path>", 550, readOnly),
        .refused(.mkd, "<path>", 550, readOnly),
        .refused(.rnfr, "<path>", 550, readOnly),
        .refused(.rnto, "<path>", 503, "RNTO follows RNFR, and this server is read-only."),
        .refused(.mfmt, "<time> <path>", 550, "This server is read-only; times are those of publication."),
        .refused(.mfct, "<time> <path>", 550, "This server is read-only; times are those of publication."),
        .refused(.mff, "<facts> <path>", 550, "This server is read-only; facts cannot be changed."),
        .refused(.smnt, "<path>", 502, "There is nothing to mount."),
        .refused(.adat, "<data>", 503, "AUTH TLS needs no security data."),
        .refused(.mic, "<message>", 502, "Use AUTH TLS to protect commands."),
        .refused(.conf, "<message>", 502, "Use AUTH TLS to protect commands."),
        .refused(.enc, "<message>", 502, "Use AUTH TLS to protect commands."),
    ]
}

extension CommandRow {
    /// A verb without an argument.
    fileprivate static func none(
        _ verb: Verb, _ group: Group, _ summary: String, gate: Gate = .signedIn,
        duringTransfer: DuringTransfer = .waits, _ command: Command
    ) -> CommandRow {
        CommandRow(verb, group, "", summary, gate: gate, duringTransfer: duringTransfer, Grammar.none) { command }
    }

    fileprivate static func digest(_ verb: Verb, _ summary: String, _ algorithm: HashAlgorithm) -> CommandRow {
        CommandRow(verb, .read, "<path> [<start> [<end>]]", summary, features: [verb.rawValue], Grammar.digest) {
            .digest(algorithm, $0)
        }
    }
}
