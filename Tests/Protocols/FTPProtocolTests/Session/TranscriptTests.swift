import FFSModel
import FTPProtocol
import Testing

/// Whole conversations, as RFC 959 §7 shows them. `✕`: the connection is closed after the reply.
@Suite struct TranscriptTests {
    private func play(
        under policy: SessionPolicy = SessionPolicy(), signedIn: Bool = false, _ script: [(String, String)],
        _ location: SourceLocation = #_sourceLocation
    ) {
        var player = Player(policy, signedIn: signedIn)
        for (line, reply) in script { #expect(player(line) == reply, "\(line)", sourceLocation: location) }
    }

    @Test func signIn() {
        play([
            ("PASS x", "503 USER first."), ("USER acct", "331 Password, please."), ("PASS secret", "230 Signed in."),
            ("USER other", "503 Already signed in; REIN signs out."), ("PASS x", "503 Already signed in."),
            ("REIN", "220 FFS ready."), ("PWD", "530 Please sign in with USER and PASS."),
        ])
    }

    @Test func threeWrongPasswordsClose() {
        play([
            ("USER a", "331 Password, please."), ("PASS x", "530 Login incorrect."), ("PASS x", "503 USER first."),
            ("USER a", "331 Password, please."), ("PASS x", "530 Login incorrect."),
            ("USER a", "331 Password, please."), ("PASS x", "530 Login incorrect. ✕"),
        ])
    }

    @Test func beforeSignInOnlyTheTableDecides() {
        var player = Player()
        for row in CommandTable.rows where row.gate == .signedIn {
            #expect(player("\(row.verb.rawValue) x") == "530 Please sign in with USER and PASS.", "\(row.verb)")
        }
        #expect(player("SYST") == "→ SYST")
    }

    @Test func writingIsRefusedWhateverTheArgument() {
        var player = Player(signedIn: true)
        for row in CommandTable.rows where row.group == .refused {
            for argument in ["", " x", " ../../x", " 20200101000000 x"] {
                let reply = player(row.verb.rawValue + argument)
                #expect(reply.hasPrefix("5"), "\(row.verb): \(reply)")
            }
        }
    }

    @Test func unknownVerbs() {
        var player = Player()
        for _ in 1..<TestMachine.mostUnknownVerbs {
            #expect(player("XYZZY") == "530 Please sign in with USER and PASS.")
        }
        #expect(player("XYZZY") == "530 Please sign in with USER and PASS. ✕")
        play([("GET / HTTP/1.1", "530 Please sign in with USER and PASS. ✕")])
        play(signedIn: true, [("POST / HTTP/1.1", "500 This is an FTP server. ✕"), ("XYZZY", "500 Unknown command.")])
    }

    @Test func representation() {
        play(
            signedIn: true,
            [
                ("TYPE I", "200 TYPE is now I."), ("TYPE a n", "200 TYPE is now A."),
                ("TYPE L 8", "200 TYPE is now I."),
                ("TYPE L 7", "504 Bytes have 8 bits here: TYPE L 8."),
                ("TYPE E", "504 TYPE A, TYPE I and TYPE L 8 are supported."),
                ("TYPE X", "501 Use: TYPE A [N]|I|L 8"), ("TYPE", "501 Use: TYPE A [N]|I|L 8"),
                ("STRU R", "200 STRU is now R."), ("STRU P", "504 STRU F and STRU R are supported."),
                ("MODE S", "200 MODE is now S."), ("MODE B", "504 MODE S and MODE Z are supported."),
                ("MODE x", "501 Use: MODE S|Z"), ("mode z", "200 MODE is now Z."),
                ("OPTS MODE Z", "200 MODE Z LEVEL is 6."), ("OPTS MODE Z LEVEL 9", "200 MODE Z LEVEL is 9."),
                ("OPTS MODE Z LEVEL 0", "501 Use: OPTS MODE Z LEVEL 1 to 9"),
                ("OPTS MODE Z LEVEL 99", "501 Use: OPTS MODE Z LEVEL 1 to 9"),
                ("OPTS MODE Z ENGINE LZO", "501 Use: OPTS MODE Z LEVEL 1 to 9"),
                ("OPTS MODE B LEVEL 1", "501 Use: OPTS MODE Z LEVEL 1 to 9"),
            ])
    }

    @Test func restart() {
        play(
            signedIn: true,
            [
                ("REST 0", "350 Restarting at 0. Send RETR."), ("REST 5", "501 REST needs TYPE I and STRU F."),
                ("TYPE I", "200 TYPE is now I."), ("REST 5", "350 Restarting at 5. Send RETR."),
                ("RANG 5 9", "350 Bytes 5 to 9. Send RETR."), ("RANG 1 0", "350 Range reset."),
                ("RANG 9 5", "501 The range ends before it starts."), ("REST -1", "501 Use: REST <offset>"),
            ])
        #expect(Restart.from(5).resolve(size: 5) == 5..<5)
        #expect(Restart.from(6).resolve(size: 5) == nil)
        #expect(Restart.range(first: 1, last: 99).resolve(size: 5) == 1..<5)
        #expect(Restart.range(first: 5, last: 6).resolve(size: 5) == nil)
    }

    @Test func restartSurvivesDataSetupAndServesOneTransfer() {
        var player = Player(signedIn: true)
        _ = player("TYPE I")
        _ = player("REST 7")
        #expect(player("EPSV") == "→ EPSV")
        #expect(player.machine.takeRestart() == .from(7))
        #expect(player.machine.takeRestart() == .whole)
    }

    @Test func activeGoesToTheClientAlone() {
        play(
            signedIn: true,
            [
                ("PORT 192,0,2,7,195,80", "200 Data will go to port 50000."),
                ("PORT 192,0,2,8,195,80", "504 Data goes to your own address only."),
                ("PORT 192,0,2,7,0,22", "504 Data goes to ports from 1024 up only."),
                ("EPRT |2|::ffff:192.0.2.8|50000|", "504 Data goes to your own address only."),
                ("EPRT |2|::ffff:192.0.2.7|50000|", "200 Data will go to port 50000."),
                ("EPRT |3|x|1|", "522 Network protocol not supported, use (1,2)"),
                ("EPSV ALL", "200 From now on EPSV only."), ("PORT 192,0,2,7,195,80", "501 Only EPSV after EPSV ALL."),
                ("PASV", "501 Only EPSV after EPSV ALL."), ("EPSV", "→ EPSV"),
                ("EPSV 2", "522 Network protocol not supported, use (1)"),
            ])
        play(
            under: SessionPolicy(allowsActive: false), signedIn: true,
            [
                ("PORT 192,0,2,7,195,80", "502 Active mode is switched off; use EPSV or PASV.")
            ])
    }

    @Test func aRefusedPortLeavesTheStateClean() {
        var player = Player(signedIn: true)
        _ = player("PASV")
        _ = player("PORT 10,0,0,1,195,80")
        #expect(player.machine.dataSetup == .passive)
        player.machine.transferStarted(Held())
        player.machine.transferEnded()
        #expect(player.machine.dataSetup == .none)
        #expect(player.machine.dataRefusal()?.code == 425)
    }

    @Test func security() {
        play([
            ("PBSZ 0", "503 AUTH TLS first."), ("PROT P", "503 AUTH TLS first."),
            ("AUTH KERBEROS", "504 AUTH TLS is supported."), ("AUTH tls", "234 Go ahead with TLS."),
            ("AUTH TLS", "503 Already under TLS."), ("PROT P", "503 PBSZ 0 first."), ("PBSZ 0", "200 PBSZ=0"),
            ("PROT P", "200 Data connections are protected."), ("PROT C", "200 Data connections are not protected."),
            ("PROT S", "536 PROT P and PROT C are supported."), ("PROT x", "504 PROT P and PROT C are supported."),
            ("PBSZ x", "501 Use: PBSZ 0"),
        ])
    }

    @Test func securityPolicies() {
        play(
            under: SessionPolicy(controlProtection: .require),
            [
                ("USER a", "530 Sign-in needs TLS here: AUTH TLS first."), ("AUTH TLS", "234 Go ahead with TLS."),
                ("USER a", "331 Password, please."),
            ])
        play(under: SessionPolicy(controlProtection: .off), [("AUTH TLS", "502 This server has no TLS.")])
        play(
            under: SessionPolicy(dataProtection: .require),
            [
                ("AUTH SSL", "234 Go ahead with TLS."), ("PBSZ 0", "200 PBSZ=0"),
                ("PROT C", "534 Data connections need TLS here: PROT P."),
            ])
        var player = Player(SessionPolicy(dataProtection: .require), signedIn: true)
        _ = player("EPSV")
        #expect(player.machine.dataRefusal()?.code == 521)
    }

    @Test func authSignsOutAndKeepsNothing() {
        var player = Player(signedIn: true)
        _ = player("TYPE I")
        _ = player("CWD deep")
        _ = player("REST 9")
        _ = player("EPSV ALL")
        #expect(player("AUTH TLS") == "234 Go ahead with TLS.")
        #expect(!player.machine.isSignedIn)
        #expect(player.machine.directory == .root)
        #expect(player.machine.representation == Representation())
        #expect(player.machine.restart == .whole)
        #expect(player("PASV") == "530 Please sign in with USER and PASS.")
    }

    @Test func reinKeepsTLSAndForgetsPROT() {
        var player = Player()
        for line in ["AUTH SSL", "PBSZ 0", "PROT P", "USER a", "PASS secret", "TYPE I", "CWD x"] { _ = player(line) }
        #expect(player.machine.protectsData)
        #expect(player("REIN") == "220 FFS ready.")
        #expect(player.machine.isProtected)
        #expect(!player.machine.protectsData)
        #expect(player.machine.directory == .root)
    }

    /// Who is signed in and what runs is held in the state that has it, and gone with it.
    @Test func statesHoldWhatBelongsToThem() {
        var player = Player(signedIn: true)
        #expect(player.machine.account?.name == bytes("acct"))
        #expect(player("STAT").contains("Signed in to acct"))
        let (transfer, job) = (Held(), Held())
        player.machine.transferStarted(transfer)
        #expect(player.machine.transfer === transfer && player.machine.job == nil && player.machine.isTransferring)
        player.machine.transferEnded()
        player.machine.jobStarted(job)
        #expect(player.machine.job === job && player.machine.transfer == nil && player("NOOP") == "wait")
        player.machine.jobEnded()
        #expect(!player.machine.isTransferring && player.machine.job == nil)
        #expect(player.machine.signOut()?.name == bytes("acct"))
        #expect(player.machine.signOut() == nil && !player.machine.isSignedIn)
        #expect(player.machine.accepted(Held()).code == 503)
    }

    @Test func duringATransferCommandsWaitInOrder() {
        var player = Player(signedIn: true)
        player.machine.transferStarted(Held())
        for line in ["NOOP", "QUIT", "RETR x", "garbage", "PWD"] { #expect(player(line) == "wait") }
        #expect(player("ABOR") == "→ ABOR")
        #expect(player("STAT").hasPrefix("211-"))
        player.machine.transferEnded()
        #expect(player("NOOP") == "→ NOOP")
    }

    @Test func replies() {
        play(
            signedIn: true,
            [
                ("CWD a\"b", #"250 "/a""b" is the current directory."#),
                ("PWD", #"257 "/a""b" is the current directory."#), ("LANG fr", "504 Replies are in English only."),
                ("LANG en-GB", "200 Replies are in English."), ("OPTS UTF8 ON", "200 UTF8 is on."),
                ("opts utf8 on", "200 UTF8 is on."),
                ("OPTS UTF8 OFF", "501 Names are bytes as stored; UTF8 is always on."),
                ("OPTS MLST Type;X;size;", "200 MLST OPTS type;size;"),
                ("OPTS MLST type", "501 Use: OPTS MLST [<fact>;…], each fact with its semicolon"),
                ("OPTS MLST size type;", "501 Use: OPTS MLST [<fact>;…], each fact with its semicolon"),
                ("OPTS MLST ;", "501 Use: OPTS MLST [<fact>;…], each fact with its semicolon"),
                ("HELP OPTS", "214 OPTS <command> [<options>]: Sets options of UTF8, MLST, HASH and MODE Z."),
                ("OPTS HASH md5", "200 MD5"), ("OPTS HASH", "200 MD5"), ("NOOP x", "→ NOOP"),
                ("PWD x", "501 Use: PWD without an argument"),
                ("HELP RETR", "214 RETR <path>: Sends a file."), ("HELP XYZZY", "502 Unknown command."),
            ])
    }

    /// RFC 3659 §7.9.2: an error changes nothing.
    @Test func aRefusedListOfFactsChangesNone() {
        var player = Player()
        _ = player("OPTS MLST size;")
        for list in ["type", "size type;", ";", "type;;"] { #expect(player("OPTS MLST \(list)").hasPrefix("501")) }
        #expect(player("FEAT").contains("MLST type;size*;modify;"))
        #expect(player("OPTS MLST") == "200 MLST OPTS ")
    }

    @Test func hostNamesAreChecked() {
        play([
            ("HOST ftp.example.com", "220 All names are one host here."),
            ("HOST localhost", "220 All names are one host here."),
            ("HOST 192.0.2.1", "220 All names are one host here."),
            ("HOST 192.0.2.2", "504 That address is not this server's."),
            ("HOST [2001:db8::9]", "504 That address is not this server's."),
            ("HOST 192.0.2.300", "501 Use: HOST <name>"), ("HOST [192.0.2.1]", "501 Use: HOST <name>"),
            ("HOST 2001:db8::9", "501 Use: HOST <name>"), ("HOST a b", "501 Use: HOST <name>"),
            ("HOST -a.example", "501 Use: HOST <name>"), ("HOST a..b", "501 Use: HOST <name>"),
            ("HOST \(String(repeating: "a", count: 64)).example", "501 Use: HOST <name>"),
            ("USER a", "331 Password, please."), ("HOST ftp.example.com", "503 HOST comes before USER."),
        ])
    }

    /// RFC 7151 §3.2.2, in both orders.
    @Test func hostAgreesWithTLS() {
        var player = Player()
        player.serverName = "Files.Example"
        #expect(player("HOST files.example.") == "220 All names are one host here.")
        #expect(player("HOST other.example") == "504 TLS was asked for another name.")
        #expect(player("AUTH TLS") == "234 Go ahead with TLS.")
        #expect(player.machine.agrees(serverName: bytes("files.EXAMPLE")))
        #expect(player.machine.agrees(serverName: nil))
        #expect(!player.machine.agrees(serverName: bytes("other.example")))
        _ = player("REIN")
        #expect(player.machine.agrees(serverName: bytes("other.example")))
    }

    @Test func clearControlAndAllocation() {
        play([("CCC", "533 The control connection is not protected.")])
        play([("AUTH TLS", "234 Go ahead with TLS."), ("CCC", "534 The control connection stays protected.")])
        play(
            signedIn: true,
            [
                ("ALLO", "501 Use: ALLO <size> [R <size>]"), ("ALLO x", "501 Use: ALLO <size> [R <size>]"),
                ("ALLO 10 R", "501 Use: ALLO <size> [R <size>]"), ("ALLO 10", "→ ALLO"), ("ALLO 10 R 5", "→ ALLO"),
            ])
    }

    /// What REST said holds no longer when the bytes are translated.
    @Test func restartNeedsWhatItNeededAtRest() {
        for change in ["TYPE A", "STRU R"] {
            var player = Player(signedIn: true)
            for line in ["TYPE I", "REST 100", change] { _ = player(line) }
            #expect(player.machine.refusal(of: player.machine.takeRestart())?.code == 554, "\(change)")
            #expect(player.machine.refusal(of: player.machine.takeRestart()) == nil)
        }
    }

    @Test func featuresFollowTheTableAndTheState() {
        var player = Player()
        let feat = player("FEAT")
        for line in [
            "REST STREAM", "MODE Z", "MDTM", "SIZE", "UTF8", "TVFS", "EPSV", "PBSZ",
            "HASH SHA-256*;SHA-512;SHA-1;MD5;CRC32;",
        ] {
            #expect(feat.contains("\n \(line)\n"), "\(line)")
        }
        #expect(feat.contains("MLST type*;size*;modify*;perm*;unix.mode*;media-type;x.hash;"))
        #expect(feat.hasPrefix("211-") && feat.hasSuffix("\n211 End"))
        var plain = Player(SessionPolicy(controlProtection: .off))
        #expect(!plain("FEAT").contains("AUTH"))
    }

    @Test func everyCommandInEveryStateHasADefinedReply() {
        let setUps: [[String]] = [
            [], ["USER a"], ["USER a", "PASS secret"], ["USER a", "PASS secret", "EPSV ALL"],
            ["AUTH TLS"], ["AUTH TLS", "PBSZ 0", "PROT P", "USER a", "PASS secret"], ["USER a", "PASS secret", "REIN"],
        ]
        for setUp in setUps {
            for first in Verb.allCases {
                for second in [Verb.user, .pass, .rein, .auth, .prot, .port, .pasv, .rest, .cwd, .retr, .stor, .quit] {
                    var player = Player()
                    for line in setUp { _ = player(line) }
                    for verb in [first, second] {
                        let reply = player("\(verb.rawValue) 1")
                        #expect(reply.hasPrefix("→") || reply.utf8.count > 4, "\(setUp) \(first) \(second): \(reply)")
                    }
                    // Nothing but a right password signs in.
                    if !setUp.contains("PASS secret") || setUp.contains("REIN") { #expect(!player.machine.isSignedIn) }
                }
            }
        }
    }
}
