/// Every command word this server knows, those it refuses included (RFC 5797 registry and the drafts named in the
/// command table). To add one: a case here, its row in ``CommandTable``, its handler in `FTPService/Commands`
/// (the exhaustive switch asks for it), a transcript in the tests, a line in ffsftpd(8).
package enum Verb: String, Sendable, CaseIterable {
    // Access
    case user = "USER", pass = "PASS", acct = "ACCT", rein = "REIN", quit = "QUIT", host = "HOST"
    case auth = "AUTH", pbsz = "PBSZ", prot = "PROT", ccc = "CCC", lang = "LANG"
    // Session
    case cwd = "CWD", cdup = "CDUP", pwd = "PWD", syst = "SYST", feat = "FEAT", opts = "OPTS", help = "HELP"
    case stat = "STAT", noop = "NOOP", site = "SITE", clnt = "CLNT", csid = "CSID"
    // Data connection and representation
    case port = "PORT", eprt = "EPRT", pasv = "PASV", epsv = "EPSV", type = "TYPE", mode = "MODE", stru = "STRU"
    case allo = "ALLO", rest = "REST", rang = "RANG", abor = "ABOR"
    // Reading
    case retr = "RETR", size = "SIZE", mdtm = "MDTM", mlst = "MLST", mlsd = "MLSD", list = "LIST", nlst = "NLST"
    case hash = "HASH", xcrc = "XCRC", xmd5 = "XMD5", xsha1 = "XSHA1", xsha256 = "XSHA256", xsha512 = "XSHA512"
    case avbl = "AVBL"
    // Refused: whatever could write
    case stor = "STOR", stou = "STOU", appe = "APPE", dele = "DELE", rmd = "RMD", mkd = "MKD", rnfr = "RNFR"
    case rnto = "RNTO", mfmt = "MFMT", mfct = "MFCT", mff = "MFF", smnt = "SMNT"
    // Refused: security extensions of RFC 2228 that TLS replaces
    case adat = "ADAT", mic = "MIC", conf = "CONF", enc = "ENC"

    /// The RFC 775 spellings, and those that clients in the field send.
    private static let aliases: [(String, Verb)] = [
        ("XCWD", .cwd), ("XCUP", .cdup), ("XPWD", .pwd), ("XMKD", .mkd), ("XRMD", .rmd), ("XSHA", .xsha1),
        ("XMD", .xmd5),
    ]

    /// At most eight letters, upper-cased, as one word: the table's key.
    private static let byWord: [UInt64: Verb] = {
        var table: [UInt64: Verb] = [:]
        for verb in allCases { table[pack(Array(verb.rawValue.utf8)[...]) ?? 0] = verb }
        for (name, verb) in aliases { table[pack(Array(name.utf8)[...]) ?? 0] = verb }
        return table
    }()

    private static func pack(_ word: ArraySlice<UInt8>) -> UInt64? {
        guard (1...8).contains(word.count) else { return nil }
        var packed: UInt64 = 0
        for byte in word {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"): packed = packed << 8 | UInt64(byte - 32)
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                packed = packed << 8 | UInt64(byte)
            default: return nil
            }
        }
        return packed
    }

    /// The verb that `word` spells, in any case; nil for an unknown word.
    package init?(word: ArraySlice<UInt8>) {
        guard let packed = Self.pack(word), let verb = Self.byWord[packed] else { return nil }
        self = verb
    }

    /// Other spellings of this verb, for HELP and ffsftpd(8).
    package var aliases: [String] { Self.aliases.filter { $0.1 == self }.map(\.0) }
}
