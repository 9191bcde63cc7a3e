import FoundationEssentials
import TestSupport
import Testing

/// What operators do with a system that runs.
@Suite(.timeLimit(.minutes(5)))
struct OperationTests {
    private static let settings = ["ftp.address": "127.0.0.1", "web.address": "127.0.0.1"]

    private func fingerprints(_ system: System) async throws -> [String: String] {
        struct Row: Decodable { let link, role, fingerprint: String }
        let rows = try JSONDecoder().decode(
            [Row].self, from: Data(try await system.ctl("keys", "show", "--json").succeeded().outputBytes))
        return Dictionary(uniqueKeysWithValues: rows.map { ("\($0.link) \($0.role)", $0.fingerprint) })
    }

    /// Two hosts that each have a bag of their own come to share one by a command on each.
    @Test func aLinkIsMadeOnBothEnds() async throws {
        let (web, storage) = (try await System(), try await System())
        let file = web.directory("carried")
        try await command("rm", "\(web.keyBags)/web-storage").succeeded()
        let made = try await web.ctl("keys", "link", "web-storage", "--output", file)
        #expect(made.status == 0 && made.output.contains("ffsctl keys accept \(file)"), "\(made)")
        #expect(try Files.mode(file) == 0o600)
        try await storage.ctl("keys", "accept", file).succeeded()
        let (first, second) = (try await fingerprints(web), try await fingerprints(storage))
        let shared = try #require(first["web-storage current"])
        #expect(second["web-storage current"] == shared)
        #expect(second["web-storage previous"] != nil, "what was there is still accepted")
        // Repeating it changes nothing.
        try await storage.ctl("keys", "accept", file).succeeded()
        #expect(try await fingerprints(storage) == second)
    }

    /// A link in use changes its bag without a failed request: accepted everywhere before anyone offers it.
    @Test func aLinkInUseChangesItsBag() async throws {
        let system = try await System.start(settings: Self.settings)
        let file = system.directory("carried")
        let made = try await system.ctl("keys", "link", "web-storage", "--output", file)
        #expect(made.status == 0 && made.output.contains("ffsctl keys activate web-storage"), "\(made)")
        #expect(made.errorOutput.contains("Reloaded ffswebd"), "\(made)")
        #expect(try await system.ctl("check").status == 0)
        try await system.ctl("keys", "accept", file).succeeded()
        let check = try await system.ctl("check")
        #expect(check.status == 0, "\(check)")
        try await system.stop()
    }

    @Test func reloadReportsEachDaemon() async throws {
        let system = try await System(settings: Self.settings)
        let none = try await system.ctl("reload")
        #expect(none.status == 69, "\(none)")
        try await system.start(.ffsauthd)
        try await system.start(.ffsstaged)
        let some = try await system.ctl("reload")
        #expect(some.status == 0, "\(some)")
        #expect(some.output.lines.count { $0.contains("reloaded") } == 2, "\(some)")
        #expect(some.output.lines.count { $0.contains("  down") } == 3, "\(some)")
        #expect(try await system.ctl("reload", "ffswebd").status == 69)
        // One that refuses does not keep the next from being asked.
        try Files.setMode(0o644, of: "\(system.keyBags)/web-internal")
        let refused = try await system.ctl("reload")
        #expect(refused.status == 78 && refused.errorOutput.contains("stays in force"), "\(refused)")
        #expect(refused.output.lines.contains { $0.hasPrefix("ffsstaged") && $0.contains("reloaded") }, "\(refused)")
        try await system.stop()
    }

    /// Published on a storage host, offered by the internal host: no second copy of the content.
    @Test func aProductOfAStorageHostIsOffered() async throws {
        let (storage, inner) = (try await System(), try await System())
        try Files.write("storage", to: storage.directory("etc/ffs/roles"))
        let source = storage.directory("source")
        try Files.makeDirectory(source)
        try Files.write("content\n", to: "\(source)/file")
        let file = storage.directory("carried.manifest")
        let published = try await storage.ctl(
            "product", "publish", "kit", "1.0", source, "--title", "A kit", "--manifest", file)
        #expect(published.status == 0 && published.errorOutput.contains("ffsctl product register"), "\(published)")
        try await inner.start(.ffsauthd)
        let offered = try await inner.ctl("product", "register", "--manifest", file)
        #expect(offered.status == 0 && offered.output.contains("Offered kit 1.0"), "\(offered)")
        let list = try await inner.ctl("product", "list")
        #expect(list.output.contains("kit") && list.output.contains("A kit"), "\(list)")
        #expect(try Files.names(in: inner.repository).isEmpty, "the content stays where it is")
        try Files.write(String(try Files.read(file).dropLast(9)), to: file)
        let cut = try await inner.ctl("product", "register", "--manifest", file)
        #expect(cut.status == 65 && cut.errorOutput.contains("carry the file again"), "\(cut)")
        try await inner.stop()
    }

    @Test func smoke() async throws {
        let system = try await System.start(settings: Self.settings)
        for _ in 1...2 {
            let smoke = try await system.ctl("smoke")
            #expect(smoke.status == 0, "\(smoke)")
            for step in [
                "publish", "register", "entitle", "sign in", "stage", "fetch FTP", "fetch FTPS", "fetch HTTPS",
                "clean up",
            ] {
                #expect(
                    smoke.output.lines.contains { $0.hasPrefix("\(step) ") && $0.contains("  ok") }, "\(step): \(smoke)"
                )
            }
        }
        // Nothing is left.
        #expect(try await system.ctl("customer", "list").output.isEmpty)
        #expect(try await system.ctl("product", "list").output.isEmpty)
        #expect(try await system.ctl("account", "list").output.isEmpty)
        #expect(try await system.ctl("repository", "list").output.isEmpty)

        // A host with some of the roles does what it can.
        try Files.write("storage", to: system.directory("etc/ffs/roles"))
        let part = try await system.ctl("smoke")
        #expect(part.status == 0, "\(part)")
        #expect(part.output.contains("this host is storage only") && part.output.contains("fetch FTPS"), "\(part)")
        #expect(!part.output.contains("entitle"), "\(part)")
        #expect(part.output.contains("1 MiB of content in the repository stays for the next run"), "\(part)")
        for (role, steps, others) in [
            ("web", ["sign-in page"], ["sign in ", "stage ", "customer "]),
            ("internal", ["customer", "sign in"], ["publish ", "stage ", "fetch "]),
        ] {
            try Files.write(role, to: system.directory("etc/ffs/roles"))
            let part = try await system.ctl("smoke")
            #expect(part.status == 0 && part.output.contains("this host is \(role) only"), "\(part)")
            for step in steps + ["clean up"] {
                #expect(part.output.lines.contains { $0.hasPrefix("\(step) ") && $0.contains("  ok") }, "\(part)")
            }
            for step in others { #expect(!part.output.lines.contains { $0.hasPrefix(step) }, "\(part)") }
            #expect(part.output.contains("nothing is left"), "\(part)")
        }
        #expect(try await system.ctl("customer", "list").output.isEmpty)
        try Files.write("storage", to: system.directory("etc/ffs/roles"))

        // What fails is named, and everything goes all the same.
        try await system.process(.ffsftpd).stop()
        let broken = try await system.ctl("smoke")
        #expect(broken.status == 69, "\(broken)")
        #expect(broken.errorOutput.contains("step \"fetch FTP\""), "\(broken)")
        #expect(try await system.ctl("repository", "list").output.isEmpty)
        #expect(try await system.ctl("account", "list").output.isEmpty)
    }

    /// Where this host's own address is listed as a proxy's, the web front takes no connection that does not begin as a
    /// proxy's do: it is left out, and the rest is tried.
    @Test func smokeBehindAProxy() async throws {
        let proxied = ["web.proxies": "127.0.0.1", "web.proxy-protocol": "true"]
        let system = try await System.start(settings: Self.settings.merging(proxied) { $1 })
        let smoke = try await system.ctl("smoke")
        #expect(smoke.status == 0, "\(smoke)")
        #expect(
            smoke.output.lines.contains {
                $0.hasPrefix("web front ") && $0.contains("skipped") && $0.contains("web.proxies lists 127.0.0.1")
            }, "\(smoke)")
        for step in ["entitle", "sign in", "stage", "fetch HTTPS"] {
            #expect(smoke.output.lines.contains { $0.hasPrefix("\(step) ") && $0.contains("  ok") }, "\(smoke)")
        }
        try await system.stop()
    }

    /// A service manager may send SIGHUP as soon as it has heard READY.
    @Test(arguments: System.Daemon.allCases) func hangUpAtReady(_ daemon: System.Daemon) async throws {
        let system = try await System(settings: Self.settings)
        let result = try await command(
            "python3", "\(Project.root)/Tests/Integration/Clients/hang_up_at_ready.py",
            Project.program(daemon.rawValue), "--config",
            system.configuration)
        #expect(result.output.lines == ["READY=1 RELOADING=1 READY=1", "status 0"], "\(result)")
    }

    /// Started without root a process would be dumpable, and its memory another's to read.
    @Test func memoryIsHiddenWithoutRoot() async throws {
        guard System.isRoot else { return }
        let system = try await System(unprivileged: true)
        let process = try await system.start(.ffsauthd)
        let owner = try await command("stat", "-c", "%U", "/proc/\(process.processIdentifier)/mem")
        #expect(owner.trimmed == "root", "\(owner)")
        try await system.stop()
    }
}
