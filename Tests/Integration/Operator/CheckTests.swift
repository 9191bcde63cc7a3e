import FFSModel
import Glibc
import SystemSupport
import TestSupport
import Testing

@testable import ffsctl

/// `ffsctl check`: what is out of order is found, named with its remedy, and changes the exit status.
@Suite(.timeLimit(.minutes(5)))
struct CheckTests {
    /// On loopback alone, so that localhost is a right name for customers.
    private static let settings = ["ftp.address": "127.0.0.1", "web.address": "127.0.0.1"]

    private static func sharedSystem() async throws -> System { try await System.start(settings: settings) }

    /// The lines of faults, and nothing else on standard error but their number.
    private func faults(_ result: CommandResult) -> [String] {
        result.output.lines.filter { $0.contains("  error  ") || $0.contains("  error ") }
    }

    @Test func aSystemThatRunsIsInOrder() async throws {
        let system = try await Self.sharedSystem()
        let check = try await system.ctl("check")
        #expect(check.status == 0, "\(check)")
        #expect(faults(check).isEmpty)
        for link in ["web-internal", "web-storage"] {
            #expect(check.output.lines.contains { $0.contains("link \(link)") && $0.contains("answers") }, "\(check)")
        }
        // The tests' certificate lives for two days.
        #expect(["expires in 1 day,", "expires in 2 days,"].contains { check.output.contains($0) }, "\(check)")
        // Debug programs on a busy machine; released ones take a third of this.
        #expect(check.elapsed < .seconds(6), "\(check.elapsed)")

        // Another key in the file than in the daemons: the two ends of a link differ.
        try await command("rm", "\(system.keyBags)/web-storage").succeeded()
        try await system.ctl("keys", "generate", "web-storage").succeeded()
        let differ = try await system.ctl("check")
        #expect(differ.status == 78, "\(differ)")
        #expect(
            faults(differ).contains {
                $0.contains("link web-storage") && $0.contains("compare the bags of both hosts")
            },
            "\(differ)")

        // A port that another program has taken from a stopped daemon.
        try await system.process(.ffswebd).stop()
        let address = try #require(TCPAddress(bytes: [127, 0, 0, 1], port: UInt16(system.webPort)))
        let taken = try Descriptor.listen(address, backlog: 1)
        let occupied = try await system.ctl("check", "ffswebd")
        #expect(occupied.status == 78, "\(occupied)")
        #expect(
            faults(occupied).contains { $0.contains("web.port") && $0.contains("another program has the port") },
            "\(occupied)")
        try taken.close()
        try await system.process(.ffsauthd).stop()
        let down = try await system.ctl("check", "ffsauthd")
        #expect(down.status == 69, "\(down)")
        #expect(faults(down).contains { $0.contains("it does not run; start it") }, "\(down)")
    }

    @Test(arguments: [
        ("ftp.public-host=https://dl.example.com/", "is no host name"),
        ("ftp.public-host=dl.example.com:21", "is no host name"),
        ("ftp.address=::", "sends customers to their own machines"),
        ("auth.address=nowhere.invalid", "nowhere.invalid does not resolve"),
    ])
    func whatCustomersOrHostsCannotUse(_ setting: String, _ complaint: String) async throws {
        let system = try await System(settings: Self.settings)
        let check = try await system.ctl("check", "--set", setting)
        #expect(check.status == 78, "\(check)")
        #expect(faults(check).contains { $0.contains(complaint) }, "\(check)")
    }

    @Test(arguments: [
        ("2019-01-01", "other.example.com", "expired at 2020-01-01"),
        ("2044-01-01", "localhost", "is not valid before 2044"),
    ])
    func certificates(_ day: String, _ name: String, _ complaint: String) async throws {
        let system = try await System(settings: Self.settings)
        try await system.start(.ffsftpd)
        try await command(
            "faketime", day, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-days", "365", "-subj", "/CN=\(name)", "-addext", "subjectAltName=DNS:\(name)", "-keyout",
            system.directory("etc/ffs/tls/key.pem"), "-out", system.certificate
        ).succeeded()
        let check = try await system.ctl("check", "ffsftpd")
        #expect(check.status == 78, "\(check)")
        #expect(faults(check).contains { $0.contains(complaint) }, "\(check)")
        #expect(
            faults(check).contains { $0.contains("is not for localhost (ftp.public-host)") } == (name != "localhost"),
            "\(check)")
        #expect(faults(check).contains { $0.contains("shows another certificate") }, "\(check)")
    }

    /// A connection to the public address shows whether passive ports are reachable. 0.0.0.0 leads to this host, as no
    /// loopback address may stand there; 192.0.2.1 leads nowhere.
    @Test func passivePorts() async throws {
        let system = try await System(settings: Self.settings)
        func check(_ host: String) async throws -> CommandResult {
            try await system.ctl(
                "check", "ffsftpd", "--set", "ftp.address=0.0.0.0", "--set", "ftp.public-host=\(host)")
        }
        let reached = try await check("0.0.0.0")
        #expect(reached.output.contains("0.0.0.0; its passive ports can be reached"), "\(reached)")
        let closed = try await check("192.0.2.1")
        #expect(
            closed.output.lines.contains {
                $0.contains("warning") && $0.contains("ftp.passive-ports")
                    && $0.contains("no connection from here to 192.0.2.1")
            }, "\(closed)")
    }

    @Test func aClockThatNobodyKeeps() {
        let findings = PlaceChecks.clock(isKept: false, of: [.ffsftpd])
        #expect(findings.count == 1 && findings.allSatisfy { "\($0.severity)" == "warning" && $0.subject == "clock" })
        #expect(findings.first?.text.contains("timedatectl set-ntp true") == true)
        for isKept in [true, nil] { #expect(PlaceChecks.clock(isKept: isKept, of: [.ffsftpd]).isEmpty) }
    }

    /// A host without ffsftpd looks at what the download host shows.
    @Test func theDownloadHostsCertificate() async throws {
        let system = try await System(settings: Self.settings)
        try await system.start(.ffsftpd)
        try Files.write("web", to: system.directory("etc/ffs/roles"))
        func rows(_ host: String = "localhost") async throws -> [String] {
            let check = try await system.ctl("check", "--set", "ftp.public-host=\(host)")
            return check.output.lines.filter { $0.contains("ftp.public-host") && !$0.contains("this host's own") }
        }
        let good = try await rows()
        #expect(good.contains { $0.contains("what localhost shows at port") && !$0.contains("error") }, "\(good)")
        // The same server under a name that its certificate does not bear.
        let other = try await rows("0.0.0.0")
        #expect(other.contains { $0.contains("error") && $0.contains("is not for 0.0.0.0") }, "\(other)")
        try await system.process(.ffsftpd).stop()
        let silent = try await rows()
        #expect(silent.contains { $0.contains("warning") && $0.contains("no TLS handshake") }, "\(silent)")
    }

    /// Only what the host runs is looked at.
    @Test func roles() async throws {
        let system = try await System(settings: Self.settings)
        try Files.write("internal\n", to: system.directory("etc/ffs/roles"))
        try await system.start(.ffsauthd)
        try await system.start(.ffspiped)
        let check = try await system.ctl("check")
        #expect(check.status == 0, "\(check)")
        #expect(
            check.output.lines.dropFirst().allSatisfy { $0.hasPrefix("ffsauthd ") || $0.hasPrefix("ffspiped ") },
            "\(check)")
        let status = try await system.ctl("status")
        #expect(status.status == 0 && !status.output.contains("ffswebd"), "\(status)")
        try Files.write("web,storge\n", to: system.directory("etc/ffs/roles"))
        let wrong = try await system.ctl("check")
        #expect(wrong.status == 78, "\(wrong)")
        #expect(wrong.errorOutput.contains("storge, which is no role"), "\(wrong)")
    }

    @Test func withoutRightsOrAnInstallation() async throws {
        let system = try await System()
        let nowhere = try await system.ctl(
            "check", "--set", "run.directory=/nonexistent/run", "--set", "commlink.keybag-directory=/nonexistent/keys")
        #expect(nowhere.status == 78, "\(nowhere)")
        #expect(nowhere.errorOutput.lines.count == 1 && nowhere.errorOutput.contains("not installed"), "\(nowhere)")
        guard System.isRoot else { return }
        let stranger = try await command(
            "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", Project.program("ffsctl"), "check",
            "--config", system.configuration)
        #expect(stranger.status == 77, "\(stranger)")
        #expect(stranger.errorOutput.lines.count == 1 && stranger.errorOutput.contains("run it as root"), "\(stranger)")
    }

    /// What a unit may not write, as systemctl(1) shows it.
    @Test func unitRights() {
        let strict = UnitRights(
            systemctl:
                "LoadState=loaded\nProtectHome=yes\nProtectSystem=strict\nReadWritePaths=/var/lib/ffs -/srv/ffs\n")
        for path in ["/srv/ffs", "/srv/ffs/repository", "/var/lib/ffs/"] {
            #expect(strict.complaint(about: path) == nil)
        }
        for path in ["/data/ffs", "/srv/ffs2", "/srv"] {
            #expect(strict.complaint(about: path)?.contains("ReadWritePaths") == true)
        }
        #expect(strict.complaint(about: "/home/ffs")?.contains("ProtectHome") == true)
        #expect(UnitRights(systemctl: "LoadState=not-found\nProtectSystem=strict\n").complaint(about: "/data") == nil)
        #expect(UnitRights(systemctl: "LoadState=loaded\nProtectSystem=full\n").complaint(about: "/data") == nil)
    }

    /// systemd's RestrictSUIDSGID= makes openat2(2) fail as if the kernel did not have it.
    @Test(arguments: ["ffsstaged", "ffsftpd"]) func aFilterThatHidesOpenat2(_ daemon: String) async throws {
        let system = try await System(settings: Self.settings)
        let check = try await command(
            "python3", "\(Project.root)/Tests/Integration/Clients/without_openat2.py", Project.program(daemon),
            "--config", system.configuration,
            "--check")
        #expect(check.status == 78, "\(check)")
        #expect(
            check.output.lines.contains {
                $0.hasPrefix("error: kernel: ") && $0.contains("seccomp filter") && $0.contains("RestrictSUIDSGID")
            }, "\(check)")
        #expect(!check.output.contains("too old"), "\(check)")
    }
}
