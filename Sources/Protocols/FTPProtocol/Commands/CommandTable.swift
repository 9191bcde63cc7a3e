/// The commands as data: grammar, gate, FEAT lines, help. Dispatch, HELP, FEAT and the check of ffsftpd(8) read it.
package enum CommandTable {
    /// Every verb has one.
    package static func row(_ verb: Verb) -> CommandRow { byVerb[verb] ?? rows[0] }

    private static let byVerb = Dictionary(uniqueKeysWithValues: rows.map { ($0.verb, $0) })

    package static let rows: [CommandRow] = access + session + data + read + refused

    private static let access: [CommandRow] = [
        .init(.user, .access, .text, "<account>", "Names the account to sign in to.", gate: .always),
        .init(.pass, .access, .anything, "<password>", "Gives its password.", gate: .always),
        .init(.acct, .access, .text, "<text>", "Accepted and not needed.", gate: .always),
        .init(.rein, .access, .none, "", "Signs out; the connection and its TLS stay.", gate: .always),
        .init(.quit, .access, .none, "", "Ends the session, after a running transfer.", gate: .always),
        .init(
            .host, .access, .text, "<name>", "Names the host wanted (RFC 7151), before USER.", gate: .always,
            features: ["HOST"]),
        .init(
            .auth, .access, .text, "TLS|TLS-C|SSL|TLS-P", "Starts TLS on the control connection (RFC 4217).",
            gate: .always),
        .init(.pbsz, .access, .number, "0", "Protection buffer size; 0 under TLS.", gate: .always),
        .init(.prot, .access, .text, "P|C", "Protects data connections, or not.", gate: .always),
        .init(.ccc, .access, .none, "", "Refused: the control connection stays protected.", gate: .always),
        .init(
            .lang, .access, .optionalText, "[en]", "Language of replies (RFC 2640).", gate: .always,
            features: ["LANG EN*"]),
    ]

    private static let session: [CommandRow] = [
        .init(.cwd, .session, .path, "<path>", "Changes the directory. Also XCWD."),
        .init(.cdup, .session, .none, "", "Changes to the parent directory. Also XCUP."),
        .init(.pwd, .session, .none, "", "Prints the directory. Also XPWD."),
        .init(.syst, .session, .none, "", "Names the kind of system whose listings look like ours.", gate: .always),
        .init(.feat, .session, .none, "", "Lists extensions (RFC 2389).", gate: .always),
        .init(
            .opts, .session, .text, "<command> [<options>]", "Sets options of UTF8, MLST, HASH and MODE Z.",
            gate: .always),
        .init(.help, .session, .optionalText, "[<command>]", "Lists commands, or explains one.", gate: .always),
        .init(
            .stat, .session, .listing, "[<path>]", "Session or transfer status; with a path, its listing.",
            duringTransfer: .now),
        .init(.noop, .session, .optionalText, "", "Does nothing; keeps the session alive.", gate: .always),
        .init(.site, .session, .text, "HELP|WHO", "Commands of this site; CHMOD and UTIME are refused."),
        .init(
            .clnt, .session, .text, "<name>", "The client names itself, for the log.", gate: .always, features: ["CLNT"]
        ),
        .init(
            .csid, .session, .text, "Name=<name>; …", "Client and server name themselves.", gate: .always,
            features: ["CSID"]),
    ]

    private static let data: [CommandRow] = [
        .init(
            .port, .data, .hostPort, "h1,h2,h3,h4,p1,p2", "Data goes to this IPv4 address and port: the client's own."),
        .init(
            .eprt, .data, .extendedHostPort, "|1|<address>|<port>|", "The same for IPv4 (1) and IPv6 (2) (RFC 2428).",
            features: ["EPRT"]),
        .init(.pasv, .data, .none, "", "Opens a port for data, IPv4."),
        .init(.epsv, .data, .extendedPassive, "[1|2|ALL]", "Opens a port for data, IPv4 and IPv6.", features: ["EPSV"]),
        .init(.type, .data, .text, "A [N]|I|L 8", "Representation: text with CRLF line ends, or bytes."),
        .init(
            .mode, .data, .text, "S|Z", "Transfer mode: stream, or deflated (draft-preston-ftpext-deflate).",
            features: ["MODE Z"]),
        .init(.stru, .data, .text, "F|R", "File structure: file, or records ended by newline."),
        .init(.allo, .data, .anything, "<size>", "Not needed by a server that stores nothing."),
        .init(.rest, .data, .offset, "<offset>", "Where the next RETR or HASH starts.", features: ["REST STREAM"]),
        .init(
            .rang, .data, .range, "<first> <last>", "The bytes that the next RETR or HASH covers; 1 0 resets.",
            features: ["RANG STREAM"]),
        .init(.abor, .data, .none, "", "Stops the transfer.", duringTransfer: .now),
    ]

    private static let read: [CommandRow] = [
        .init(.retr, .read, .path, "<path>", "Sends a file."),
        .init(.size, .read, .path, "<path>", "Size in bytes (RFC 3659); TYPE I.", features: ["SIZE"]),
        .init(.mdtm, .read, .path, "<path>", "Time of last change, UTC (RFC 3659).", features: ["MDTM"]),
        .init(.mlst, .read, .optionalPath, "[<path>]", "Facts about one name, on the control connection (RFC 3659)."),
        .init(.mlsd, .read, .optionalPath, "[<path>]", "Facts about a directory's names (RFC 3659)."),
        .init(.list, .read, .listing, "[<path>]", "Listing as by ls -l; * ? [ ] match in the last name; -R recurses."),
        .init(.nlst, .read, .listing, "[<path>]", "Names alone; * ? [ ] match in the last name."),
        .init(.hash, .read, .path, "<path>", "Digest of a file or range (draft-bryan-ftpext-hash)."),
        .init(.xcrc, .read, .digestRange, "<path> [<start> [<end>]]", "CRC-32 of a file or range.", features: ["XCRC"]),
        .init(.xmd5, .read, .digestRange, "<path> [<start> [<end>]]", "MD5 of a file or range.", features: ["XMD5"]),
        .init(
            .xsha1, .read, .digestRange, "<path> [<start> [<end>]]", "SHA-1 of a file or range. Also XSHA.",
            features: ["XSHA1"]),
        .init(
            .xsha256, .read, .digestRange, "<path> [<start> [<end>]]", "SHA-256 of a file or range.",
            features: ["XSHA256"]),
        .init(
            .xsha512, .read, .digestRange, "<path> [<start> [<end>]]", "SHA-512 of a file or range.",
            features: ["XSHA512"]),
        .init(.avbl, .read, .optionalPath, "[<path>]", "Bytes available for uploads: 0.", features: ["AVBL"]),
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
