import FoundationEssentials
import Glibc
import TestSupport
import Testing

/// Dynamic authentication through the firewall: customers sign in to FTP with their own name and password, through the
/// gate of ffsftpd, the relay in ffswebd and ffsauthd, and all that they are entitled to is staged.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CustomerSignInTests {
    private static let password = "correct horse & 9\u{E9}"

    private struct Host {
        let system: System
        let content: TemporaryDirectory

        /// Everything runs; acme may have the kit, version 1.0.
        static func start(
            _ settings: [String: String] = [:], unprivileged: Bool = false
        ) async throws -> Host {
            let system = try await System.start(
                settings: [
                    "web.relay-address": "127.0.0.1", "ftp.relay-host": "127.0.0.1", "log.level": "trace",
                    "ftp.workers": "2",
                ].merging(settings) { $1 }, unprivileged: unprivileged)
            let content = try TemporaryDirectory("content")
            try Files.write("hello\n", to: content("readme"))
            try Files.write([UInt8](repeating: 7, count: 9 << 20), to: content("image.bin"))
            let host = Host(system: system, content: content)
            if unprivileged { try await command("chmod", "-R", "a+rX", content.path).succeeded() }
            try await host.publish("kit", "1.0")
            try await host.customer("acme")
            try await system.ctl("entitlement", "grant", "acme", "kit").succeeded()
            try await system.process(.ffsftpd).logged("the relay answers")
            return host
        }

        func publish(_ product: String, _ version: String) async throws {
            try await system.ctl("product", "publish", product, version, content.path).succeeded()
        }

        func customer(_ name: String) async throws {
            try await system.ctl("customer", "add", name, "--password-stdin", input: password + "\n").succeeded()
        }

        /// Ids of the accounts there are.
        var accounts: Set<String> {
            get throws { Set(try Files.names(in: system.accounts).filter { !$0.hasPrefix(".") }) }
        }

        func curl(_ path: String, user: String = "acme:\(password)", _ more: [String] = []) async throws
            -> CommandResult
        {
            try await system.curl(
                ["--ssl-reqd", "--user", user] + more + ["ftp://localhost:\(system.ftpPort)/\(path)"])
        }

        /// What the root of the customer's account holds.
        func listing() async throws -> Set<String> {
            let result = try await curl("", ["--list-only", "-v"])
            guard result.status == 0 else {
                throw TestFailure("\(result)\nlog:\n\(try system.process(.ffsftpd).log.suffix(4_000))")
            }
            return Set(result.output.split(whereSeparator: \.isNewline).map(String.init))
        }

        /// One case of Clients/customer_sign_in.py.
        func play(_ name: String, _ more: [String: String] = [:]) async throws {
            let environment = [
                "FFS_PORT": "\(system.ftpPort)", "FFS_CUSTOMER": "acme", "FFS_CUSTOMER_PASSWORD": password,
                "PYTHONDONTWRITEBYTECODE": "1",
            ]
            let result = try await command(
                ["python3", "\(Project.root)/Tests/Integration/Clients/customer_sign_in.py", name],
                environment: environment.merging(more) { $1 }, timeout: .seconds(120))
            let log = try system.process(.ffsftpd).log.suffix(4_000)
            guard result.status == 0 else { throw TestFailure("\(name): \(result.errorOutput)\nlog:\n\(log)") }
        }

        /// Value of one count in `ffsctl status ffsftpd`.
        func count(_ name: String) async throws -> Int? {
            let output = try await system.ctl("status", "ffsftpd", "--json").succeeded().output
            guard let range = output.firstRange(of: "\"\(name)\"") else { return nil }
            return Int(output[range.upperBound...].drop { !$0.isNumber }.prefix { $0.isNumber })
        }

        func gate() async throws -> Int32 {
            let supervisor = try system.process(.ffsftpd).processIdentifier
            let found = try await command("pgrep", "-P", "\(supervisor)", "-f", "ffsftpd gate")
            guard let id = found.output.lines.first.flatMap({ Int32($0) }) else { throw TestFailure("no gate runs") }
            return id
        }

        /// ffs2.py on the relay, or another port, with the bag of `link`.
        func ffs2(_ link: String, _ port: Int, _ words: [String]) async throws -> CommandResult {
            try await command(
                [
                    "/usr/bin/python3", "\(Project.root)/Tests/Integration/Clients/ffs2.py", "--bag",
                    "\(system.keyBags)/\(link)", "--port", "\(port)",
                ] + words)
        }

        /// Stops everything; no log holds the password, in any form that a log writes.
        func end() async throws {
            try await system.stop()
            for name in try Files.names(in: system.directory("var/log/ffs")) {
                let log = try Files.read(system.directory("var/log/ffs/\(name)"))
                #expect(!log.contains("correct horse"), "\(name) holds a password")
            }
        }
    }

    @Test("curl and lftp fetch with the customer's own name and password; eight connections are one account")
    func clientsFetch() async throws {
        // Slow enough for lftp to open all its connections.
        let host = try await Host.start(["ftp.rate-per-session": "4096"])
        let image = try await host.curl("kit-1.0/image.bin").succeeded()
        #expect(image.outputBytes.count == 9 << 20)
        let account = try #require(try host.accounts.first)
        let home = try TemporaryDirectory("lftp")
        let script = """
            set ssl:ca-file \(host.system.certificate); set ftp:ssl-force true; set ftp:ssl-protect-data true
            open -u acme,"\(Self.password)" localhost:\(host.system.ftpPort)
            pget -n 8 kit-1.0/image.bin -o \(home("image.bin"))
            mirror / \(home("all"))

            """
        try await command("lftp", "-c", script, environment: ["HOME": home.path]).succeeded()
        try await command("cmp", home("image.bin"), host.content("image.bin")).succeeded()
        try await command("diff", "-r", host.content.path, home("all/kit-1.0")).succeeded()
        #expect(try host.accounts == [account])
        // The transfer log names the account, and the orders the customer's address.
        #expect(try Files.read(host.system.xferlog).contains(account))
        let orders = try await host.system.ctl("order", "list", "--json").succeeded().output
        #expect(orders.contains("127.0.0.1") && orders.contains("acme"))

        #expect(try await host.count("ffs_ftp_relay_up") == 1)
        #expect(try await host.count("ffs_ftp_customer_sign_ins") ?? 0 >= 3)
        let check = try await command(
            Project.program("ffsftpd"), "--config", host.system.configuration, "--check")
        #expect(check.output.contains("ok: ftp.relay-host: the relay on 127.0.0.1 answers"), "\(check)")
        try await host.end()
    }

    @Test("one user without root's rights serves customers as well")
    func unprivileged() async throws {
        let host = try await Host.start(["ftp.relay-host": "localhost"], unprivileged: true)
        #expect(try await host.listing() == ["SHA256SUMS", "kit-1.0"])
        try await host.end()
    }

    @Test("wrong, unknown, disabled and no customer at all: one reply after one time; in clear nobody is asked")
    func refusals() async throws {
        let host = try await Host.start(["auth.lockout-attempts": "10"])
        try await host.customer("closed")
        try await host.system.ctl("customer", "disable", "closed").succeeded()
        try await host.play("refusals")
        try await host.play("clear")
        #expect(try await host.count("ffs_ftp_customer_sign_ins_failed") ?? 0 >= 6)
        try await host.end()
    }

    @Test("ffsauthd locks out by customer and the client's own address")
    func lockOut() async throws {
        let host = try await Host.start(["auth.lockout-attempts": "3", "ftp.relay-host": "localhost"])
        try await host.play("lock_out")
        try await host.end()
    }

    @Test("commands wait while the password is checked; sixteen sign-ins at once are one account")
    func togetherAndInOrder() async throws {
        let host = try await Host.start()
        try await host.play("parallel")
        #expect(try host.accounts.count == 1)
        try await host.play("pipelined")
        #expect(try host.accounts.count == 1)
        try await host.end()
    }

    @Test("what the customer may have now is what the account holds; order limits count accounts, not sign-ins")
    func entitlementsChange() async throws {
        let host = try await Host.start()
        #expect(try await host.listing() == ["SHA256SUMS", "kit-1.0"])
        let first = try host.accounts
        try await host.publish("extra", "1.0")
        try await host.system.ctl("entitlement", "grant", "acme", "extra", "--order-limit", "1").succeeded()
        for _ in 0..<3 { #expect(try await host.listing() == ["SHA256SUMS", "kit-1.0", "extra-1.0"]) }
        let second = try host.accounts.subtracting(first)
        #expect(second.count == 1)
        // A newer version takes the older one's place, but not that of something which could not be had again.
        try Files.write("hello again\n", to: host.content("readme"))
        try await host.publish("kit", "1.1")
        #expect(try await host.listing() == ["SHA256SUMS", "kit-1.0", "extra-1.0"])
        try await host.system.ctl("entitlement", "revoke", "acme", "extra").succeeded()
        #expect(try await host.listing().contains("kit-1.1"))
        let third = try host.accounts.subtracting(first.union(second))
        #expect(third.count == 1)
        try await host.system.ctl("entitlement", "revoke", "acme", "kit").succeeded()
        try await host.system.ctl("entitlement", "grant", "acme", "kit", "1.0").succeeded()
        #expect(try await host.listing().isSuperset(of: ["SHA256SUMS", "kit-1.0"]))
        #expect(try await !host.listing().contains("kit-1.1"))
        // What was ordered under a grant that was revoked has ended, so that this is another account.
        let all = first.union(second).union(third)
        let standing = try host.accounts.subtracting(all)
        #expect(standing.count == 1)
        // An operator ends the account; the customer may still have what it held, and gets another.
        try await host.system.ctl("account", "revoke", "--yes", try #require(standing.first)).succeeded()
        #expect(try await host.listing().contains("kit-1.0"))
        #expect(try host.accounts.isDisjoint(with: standing) && !host.accounts.isSubset(of: all))
        try await host.end()
    }

    @Test("who is entitled to nothing is told so, and only once their password was right")
    func nothing() async throws {
        let host = try await Host.start()
        try await host.customer("idle")
        let refused = try await host.curl("", user: "idle:\(Self.password)", ["-v"])
        #expect(refused.status != 0 && refused.errorOutput.contains("530 There is nothing for you"), "\(refused)")
        let wrong = try await host.curl("", user: "idle:wrong", ["-v"])
        #expect(wrong.errorOutput.contains("530 Login incorrect."), "\(wrong)")
        try await host.end()
    }

    @Test(
        "without relay, ffsauthd or ffsstaged accounts go on, and customers are told to come later; all mend themselves"
    )
    func outages() async throws {
        let host = try await Host.start()
        let token = try await command(
            [
                "curl", "-q", "-sS", "--cacert", host.system.certificate, "--fail-with-body", "--json",
                #"{"customer": "acme", "password": "\#(Self.password)"}"#, "\(host.system.webURL)/api/v1/sessions",
            ]
        ).succeeded().output
        let field = { (name: String, text: String) in
            text.firstRange(of: "\"\(name)\":\"").map { String(text[$0.upperBound...].prefix { $0 != "\"" }) } ?? ""
        }
        let staged = try await command(
            [
                "curl", "-q", "-sS", "--cacert", host.system.certificate, "--fail-with-body", "--json",
                #"{"items": [{"product": "kit", "version": "1.0"}]}"#, "-H",
                "Authorization: Bearer \(field("token", token))", "\(host.system.webURL)/api/v1/accounts",
            ]
        ).succeeded().output
        let account = ["FFS_ACCOUNT": field("account", staged), "FFS_PASSWORD": field("password", staged)]
        let system = host.system
        for daemon in [System.Daemon.ffswebd, .ffsauthd, .ffsstaged] {
            try await system.process(daemon).stop()
            try await host.play("unavailable", account)
            if daemon == .ffswebd {
                try await eventually(within: .seconds(30), "the relay is noticed to be gone") {
                    try await host.count("ffs_ftp_relay_up") == 0
                }
                #expect(try system.process(.ffsftpd).log.contains("customers cannot sign in with their own names"))
                let check = try await command(Project.program("ffsftpd"), "--config", system.configuration, "--check")
                #expect(check.status == 0 && check.output.contains("warning: ftp.relay-host: nothing answers at"))
            }
            try await system.start(daemon)
            try await host.play("available")
        }
        try await host.end()
    }

    @Test("a crowd at an ffsauthd that hangs: bounded, told in time, in nobody else's way")
    func crowd() async throws {
        let host = try await Host.start()
        let auth = try host.system.process(.ffsauthd)
        auth.signal(SIGSTOP)
        try await host.play("crowd")
        auth.signal(SIGCONT)
        try await host.play("available")
        try await host.end()
    }

    @Test("the relay forwards what a sign-in needs and nothing else, and only for who has signed in through it")
    func relayRefuses() async throws {
        let host = try await Host.start()
        let relay = host.system.relayPorts.lowerBound
        #expect(
            try await host.ffs2("storage-web", relay, ["ping"]).succeeded().output.contains("<daemon>ffswebd</daemon>"))
        let early = try await host.ffs2("storage-web", relay, ["auth.entitlements", "customer=acme"])
        #expect(early.status == 1 && early.output.contains("code=\"denied\""), "\(early)")
        let login = ["auth.login", "customer=acme", "password=\(Self.password)"]
        let id = ["--id", "00112233445566778899aabbccddeeff"]
        let first = try await host.ffs2("storage-web", relay, id + login).succeeded()
        #expect(first.output.contains("<customer>acme</customer>") && first.output.contains(id[1]))
        #expect(
            try await host.ffs2("storage-web", relay, ["auth.entitlements", "customer=acme"]).succeeded()
                .output.contains("kit"))
        let wrong = try await host.ffs2("storage-web", relay, ["auth.login", "customer=acme", "password=wrong"])
        #expect(wrong.output.contains("code=\"login-refused\""), "\(wrong)")
        for request in [
            ["auth.password", "customer=acme", "password=\(Self.password)", "new-password=another one 1"],
            ["customer.list"], ["stage.list"], ["stage.create", "customer=acme", "item=kit,1.0", "ttl=600"],
        ] {
            let refused = try await host.ffs2("storage-web", relay, request)
            #expect(refused.status == 1 && refused.output.contains("code=\"not-served\""), "\(refused)")
        }
        #expect(try host.system.process(.ffswebd).log.contains("auth.password"))
        // Neither direction's bag opens the other: no conversation can be turned round.
        #expect(try await host.ffs2("web-storage", relay, ["ping"]).status != 0)
        #expect(try await host.ffs2("storage-web", host.system.stagePorts.lowerBound, ["ping"]).status != 0)
        try await host.end()
    }

    @Test("a gate that is killed is started again, and knows its customers' accounts")
    func gateEnds() async throws {
        let host = try await Host.start()
        #expect(try await host.listing().contains("kit-1.0"))
        let accounts = try host.accounts
        let gate = try await host.gate()
        #expect(kill(gate, SIGKILL) == 0)
        try await eventually(within: .seconds(20), "another gate") {
            await (try? host.gate()).map { $0 != gate } ?? false
        }
        try await host.play("available")
        #expect(try host.accounts == accounts)
        #expect(try host.system.process(.ffsftpd).log.contains("the sign-in gate ended"))
        // It is nobody: no root, no group of the key bags, no file open but its channel.
        if System.isRoot {
            let status = try Files.read("/proc/\(try await host.gate())/status")
            let user = try await command("id", "-u", "ffsftp").succeeded().trimmed
            #expect(status.contains("Uid:\t\(user)\t\(user)\t\(user)\t\(user)\n"))
            #expect(status.contains("Groups:\t \n") && status.contains("NoNewPrivs:\t1"))
        }
        try await host.end()
    }

    @Test("keys of the link are rotated without a failed sign-in; settings by a reload")
    func reloads() async throws {
        let host = try await Host.start()
        try await host.play("available")
        try await host.system.ctl("keys", "stage", "storage-web").succeeded()
        try await apply(host)
        try await host.system.ctl("keys", "activate", "storage-web").succeeded()
        try await apply(host)
        try await host.play("available")
        #expect(try host.accounts.count == 1)
        try host.system.configure(["ftp.relay-host": ""])
        try await host.system.ctl("reload", "ffsftpd").succeeded()
        let refused = try await host.curl("", ["-v"])
        #expect(refused.errorOutput.contains("530 Login incorrect."), "\(refused)")
        await #expect(throws: TestFailure.self) { try await host.gate() }
        try await host.end()
    }

    private func apply(_ host: Host) async throws {
        if System.isRoot {
            try await command(
                "sh", "-c",
                "chgrp ffs-storage-web \(host.system.keyBags)/storage-web* && chmod 640 \(host.system.keyBags)/storage-web*"
            ).succeeded()
        }
        try await host.system.ctl("reload", "ffswebd").succeeded()
        try await host.system.ctl("reload", "ffsftpd").succeeded()
        try await host.play("available")
    }
}
