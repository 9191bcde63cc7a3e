import TestSupport
import Testing

/// What an operator gets wrong: a sentence that says what to do, the right exit status, and nothing half done.
@Suite(.timeLimit(.minutes(5)))
struct BadInputTests {
    /// Starts a daemon that must end by itself; its status and what it said.
    private func failedStart(
        _ daemon: System.Daemon, of system: System, _ options: [String] = []
    ) async throws -> (status: Int32, log: String) {
        let process = try await system.launch(daemon, options)
        let status = try await process.ended()
        return (status, process.log)
    }

    @Test(arguments: System.Daemon.allCases) func badValue(daemon: System.Daemon) async throws {
        let system = try await System()
        try system.configure(["auth.base-port": "99999", "log.level": "loud"])
        let before = try Files.names(in: system.directory("var/lib/ffs"))
        let (status, log) = try await failedStart(daemon, of: system)
        #expect(status == 78)
        #expect(log.contains("ffs.yaml:"), "\(log)")
        #expect(log.contains("auth.base-port must be from 1 to 65000 port, not 99999"), "\(log)")
        #expect(log.contains("log.level must be trace | debug | info"), "both faults at once: \(log)")
        #expect(try await command("find", system.directory("run/ffs"), "-type", "s").succeeded().output.isEmpty)
        #expect(try Files.names(in: system.directory("var/lib/ffs")) == before)
    }

    @Test(arguments: System.Daemon.allCases) func unknownKeyAndOption(daemon: System.Daemon) async throws {
        let system = try await System()
        try system.configure(["ftp.prot": "2121"])
        let (status, log) = try await failedStart(daemon, of: system)
        #expect(status == 78)
        #expect(log.contains("ftp.prot is not an option; did you mean ftp.port?"), "\(log)")
        try system.configure([:])
        let option = try await failedStart(daemon, of: system, ["--bogus"])
        #expect(option.status == 64)
        #expect(option.log.contains("--bogus"), "\(option.log)")
    }

    @Test func ffsctlSaysWhatIsWrong() async throws {
        let system = try await System()
        let refused = try await system.ctl("status", "--bogus")
        #expect(refused.status == 64 && refused.errorOutput.contains("--bogus"), "\(refused)")
        let value = try await system.ctl("status", "--set", "ftp.port=many", "--json")
        #expect(value.status == 78 && value.output.isEmpty, "\(value)")
        #expect(value.errorOutput.hasPrefix(#"{"error": {"code": "configuration", "text": "--set: ftp.port must"#))
        let down = try await system.ctl("customer", "list")
        #expect(down.status == 69 && down.errorOutput.contains("no daemon answers"), "\(down)")
        for name in ["../etc", "a\r\nb", "-x", "a/b", "", "ünsinn", String(repeating: "a", count: 5_000)] {
            let bad = try await system.ctl("customer", "show", "--", name)
            #expect(bad.status == 64, "\(bad)")
            #expect(bad.errorOutput.contains("customer name"), "\(bad)")
            #expect(bad.errorOutput.utf8.count < 7_000)
        }
    }

    @Test(arguments: [System.Daemon.ffsauthd, .ffsstaged, .ffsftpd, .ffswebd])
    func portInUse(daemon: System.Daemon) async throws {
        let first = try await System()
        try await first.start(daemon)
        let second = try await System(settings: [
            "auth.base-port": "\(first.authPorts.lowerBound)", "staging.base-port": "\(first.stagePorts.lowerBound)",
            "ftp.port": "\(first.ftpPort)", "ftp.https-port": "\(first.httpsPort)", "web.port": "\(first.webPort)",
        ])
        let (status, log) = try await failedStart(daemon, of: second)
        #expect(status != 0 && status < 128, "\(status): \(log)")
        let ports = [first.authPorts.lowerBound, first.stagePorts.lowerBound, first.ftpPort, first.webPort]
        #expect(ports.contains { log.contains("\($0)") }, "the port is named: \(log)")
        #expect(log.contains("in use"), "\(log)")
        #expect(try first.process(daemon).isRunning)
        #expect(try await first.ctl("status", daemon.rawValue).status == 0)
        try await first.stop()
    }

    @Test(arguments: [System.Daemon.ffswebd, .ffsftpd]) func missingCertificate(daemon: System.Daemon) async throws {
        let system = try await System()
        try await command("rm", system.certificate).succeeded()
        let (status, log) = try await failedStart(daemon, of: system)
        #expect(status == 78, "\(log)")
        #expect(log.contains(system.certificate), "\(log)")
        let check = try await system.ctl("check", daemon.rawValue)
        #expect(check.status == 78)
        #expect(check.output.contains(system.certificate), "\(check)")
    }

    @Test func keyBagWithWrongModes() async throws {
        let system = try await System()
        let bag = "\(system.keyBags)/web-internal"
        try Files.setMode(0o644, of: bag)
        for daemon in [System.Daemon.ffsauthd, .ffswebd] {
            let (status, log) = try await failedStart(daemon, of: system)
            #expect(status == 78, "\(log)")
            #expect(log.contains(bag) && log.contains("0640"), "\(log)")
        }
        #expect(try await command("find", system.directory("run/ffs"), "-type", "s").succeeded().output.isEmpty)
    }

    @Test func evenNumberOfKeys() async throws {
        let system = try await System()
        let even = try await system.ctl(
            "keys", "generate", "web-internal", "--keys", "64", "--output", "/nonexistent/x")
        #expect(even.status == 64, "\(even)")
        #expect(even.errorOutput.contains("odd"), "\(even)")
    }

    /// Two hosts with different bags: no sign-in, a reason in both logs, and the password in neither.
    @Test func wrongKeyBag() async throws {
        let system = try await System()
        try await system.start(.ffsauthd)
        try await command("rm", "\(system.keyBags)/web-internal").succeeded()
        try await system.ctl("keys", "generate", "web-internal").succeeded()
        try await system.start(.ffswebd)
        let reply = try await system.curl([
            "--json", #"{"customer": "acme", "password": "sesame-opens"}"#, "--write-out", "%{http_code}",
            "\(system.webURL)/api/v1/sessions",
        ])
        #expect(reply.output.hasSuffix("503"), "\(reply)")
        let (web, auth) = (try system.process(.ffswebd).log, try system.process(.ffsauthd).log)
        #expect(auth.contains("bag"), "\(auth)")
        #expect(web.contains("unreachable") || web.contains("bag"), "\(web)")
        #expect(!web.contains("sesame") && !auth.contains("sesame"))
        try await system.stop()
    }

    /// /dev/shm is another file system than /var/tmp, and hard links do not leave one.
    @Test func repositoryAndAccountsOnTwoFileSystems() async throws {
        let elsewhere = "/dev/shm/ffs-test-\(try Ports.one())"
        try Files.makeDirectory(elsewhere)
        let system = try await System(settings: ["staging.accounts": elsewhere])
        try await command("chown", "--reference=\(system.accounts)", elsewhere).succeeded()
        try await command("chmod", "--reference=\(system.accounts)", elsewhere).succeeded()
        let (status, log) = try await failedStart(.ffsstaged, of: system)
        try await command("rm", "-r", elsewhere).succeeded()
        #expect(status == 78, "\(log)")
        #expect(log.contains("file system") && log.contains("staging.accounts"), "\(log)")
    }
}
